"""One suite for all drivers of a seam: what storage, database and domain promise, tested on the real thing."""
