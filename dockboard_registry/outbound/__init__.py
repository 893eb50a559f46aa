"""What the registry asks of other servers."""
