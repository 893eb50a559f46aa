"""How much work one text may take.

Lines and marks are counted. What follows after the last one that may be looked at is shown as plain text, so no text
takes long, and nothing is left out.
"""

# Lines, counted again in each quote and list that they are in; and marks within lines, such as * and [.
MOST_LINES, MOST_MARKS = 20_000, 40_000
# How deep quotes and lists may lie in each other.
MOST_DEPTH = 8


class Work:
    """What is left for one text."""

    def __init__(self) -> None:
        self._lines, self.marks = MOST_LINES, MOST_MARKS

    def line(self) -> bool:
        """Count a line. False: it may not be looked at any more."""
        self._lines -= 1
        return self._lines >= 0

    @property
    def is_over(self) -> bool:
        return self._lines <= 0 or self.marks <= 0
