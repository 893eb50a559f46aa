"""Blobs as objects of a store that is reached over HTTP."""
