"""How much work one text may take.

Lines and marks are counted, and so are the characters of HTML that are not in the text, such as the address of a link.
What follows after the last one that is allowed is shown as plain text. So no text takes long or makes a huge page, and
nothing is left out.
"""

# Lines, counted again in each quote and list that they are in; and marks within lines, such as * and [.
MOST_LINES, MOST_MARKS = 20_000, 40_000
# Characters of the HTML of links, pictures, ids and cells of tables: so many times the length of the text, and no fewer
# than the least.
MOST_TIMES, LEAST_MARKUP = 4, 1 << 20
# How deep quotes and lists may lie in each other.
MOST_DEPTH = 8


class Work:
    """What is left for one text."""

    def __init__(self, length: int) -> None:
        """length: that of the text."""
        self._lines, self._marks = MOST_LINES, MOST_MARKS
        self._markup = max(MOST_TIMES * length, LEAST_MARKUP)

    def line(self) -> bool:
        """Count a line. False: it may not be looked at any more."""
        self._lines -= 1
        return self._lines >= 0

    def mark(self, count: int = 1) -> None:
        self._marks -= count

    def markup(self, made: str) -> None:
        """Count HTML that is not in the text."""
        self._markup -= len(made)

    @property
    def has_marks(self) -> bool:
        """Whether marks may still be looked at."""
        return self._marks > 0 and self._markup > 0

    @property
    def is_over(self) -> bool:
        return self._lines <= 0 or not self.has_marks
