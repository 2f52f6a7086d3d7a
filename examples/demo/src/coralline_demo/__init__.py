"""The demo: an image site on loopback, with faces in it."""
