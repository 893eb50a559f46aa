"""Blobs, manifests, tags and the repositories that hold them."""
