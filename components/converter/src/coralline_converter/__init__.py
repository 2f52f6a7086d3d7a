"""A Keras classifier to int8 LiteRT, measured and explained."""
