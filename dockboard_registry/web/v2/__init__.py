"""The OCI distribution API 1.1, with what docker's registry API v2 has beside it (catalog, schema 2)."""
