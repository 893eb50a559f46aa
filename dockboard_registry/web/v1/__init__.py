"""The Registry and Index API v1 of docker before 1.6, as far as docs/v1.md says."""
