"""Whole numbers that clients send back: ids, and places in lists."""

# The largest that a column of the database takes.
LARGEST = (1 << 63) - 1
_MOST_FIGURES = 19


def whole(text: str) -> int | None:
    """The number, LARGEST in place of a greater one. None: the text is none of at most 19 figures."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_FIGURES):
        return None
    return min(int(text), LARGEST)
