"""What was pushed to a repository: its tags, one manifest in full, and what differs between two images."""
