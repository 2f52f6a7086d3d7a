"""Photos to crops of what is to be classified: faces, drawn boxes, or the whole picture."""
