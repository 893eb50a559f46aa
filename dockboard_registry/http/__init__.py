"""The HTTP engine: connections, requests, answers. It knows nothing of registries."""
