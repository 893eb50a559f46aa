"""The HTTP edge: parse, authorise, one domain call, write."""
