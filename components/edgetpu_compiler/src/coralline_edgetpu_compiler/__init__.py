"""A LiteRT model to accelerator binaries."""
