"""Images to crops of what is to be classified."""
