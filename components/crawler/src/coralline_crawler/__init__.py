"""Queries to images: sources and a careful fetcher."""
