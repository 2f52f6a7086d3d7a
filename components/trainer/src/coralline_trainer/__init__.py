"""Crops to a Keras classifier."""
