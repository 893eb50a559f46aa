"""The rules of the registry, one module per noun. SQL and storage keys stop here; HTTP has not been heard of."""
