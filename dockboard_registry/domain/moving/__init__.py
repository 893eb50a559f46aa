"""Moving all blobs from one store to another, beside running servers."""
