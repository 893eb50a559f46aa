"""The permission rule, and what it is asked about."""
