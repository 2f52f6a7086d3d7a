"""From a search keyword to a compiled edge model."""
