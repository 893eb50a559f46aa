"""Bodies that come in outside of Tornado."""
