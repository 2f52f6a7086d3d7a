"""Queries to images: sources that name them, and a careful fetcher."""
