"""Answers that leave outside of Tornado."""
