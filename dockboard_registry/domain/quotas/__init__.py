"""How much a namespace may hold."""
