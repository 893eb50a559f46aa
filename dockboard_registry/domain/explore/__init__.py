"""Finding repositories: what lists sort by, lists of what somebody may pull, and the search."""
