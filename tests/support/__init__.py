"""What the tests share: starting the real server, talking to it, and finding the real clients."""
