"""What the HTTP APIs answer, asked over real sockets of a registry.pyz that runs as its users run it."""
