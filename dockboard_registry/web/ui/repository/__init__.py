"""What the pages of a repository share."""
