"""What pages show of what was pushed: read from manifests and configs, bounded, and never in the way of a push."""
