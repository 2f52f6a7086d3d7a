"""Images to a clean, grouped and split dataset."""
