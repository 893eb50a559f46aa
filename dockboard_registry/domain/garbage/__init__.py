"""Content that nothing needs any more, and its removal."""
