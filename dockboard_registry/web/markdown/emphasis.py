"""Emphasis: runs of * _ and ~~ that open and close. Each run is looked at once."""

import unicodedata

# Open runs that are remembered: emphasis lies at most so deep in emphasis.
_MOST_OPEN = 16
_LONGEST_RUN = 3
_TAGS = {1: "em", 2: "strong"}


class _Open:
    """A run that may be closed later. place: its index in the output. kind: its character. left: how many are left."""

    def __init__(self, place: int, kind: str, left: int):
        self.place, self.kind, self.left, self.tags = place, kind, left, ""

    @property
    def html(self) -> str:
        return self.kind * self.left + self.tags


class Emphasis:
    """The open runs of one text.

    out: the pieces of its HTML, which it changes. floor: what opened before this place is not closed now, because a
    bracket that may become a link opened there.
    """

    def __init__(self, out: list[str]):
        self._out, self.floor = out, -1
        self._open: list[_Open] = []

    def run(self, text: str, before: str, after: str) -> None:
        """before, after: the characters beside the run, or empty texts."""
        kind, left = text[0], len(text)
        if left > _LONGEST_RUN or (kind == "~" and left != 2):
            self._out.append(text)
            return
        opens, closes = _sides(kind, before, after)
        while closes and left and (opened := self._last(kind)):
            left -= self._close(opened, left)
        if left and opens:
            del self._open[: max(0, len(self._open) + 1 - _MOST_OPEN)]
            self._open.append(_Open(len(self._out), kind, left))
        self._out.append(kind * left)

    def forget(self, place: int) -> None:
        """The output is cut at this place: runs behind it can't be closed any more."""
        while self._open and self._open[-1].place >= place:
            self._open.pop()

    def _last(self, kind: str) -> _Open | None:
        for opened in reversed(self._open):
            if opened.place <= self.floor:
                return None
            if opened.kind == kind:
                return opened
        return None

    def _close(self, opened: _Open, left: int) -> int:
        """Close it, and forget those within. Returns how many characters that takes."""
        used = 2 if left >= 2 and opened.left >= 2 else 1
        tag = "del" if opened.kind == "~" else _TAGS[used]
        opened.left -= used
        opened.tags = f"<{tag}>{opened.tags}"
        self._out[opened.place] = opened.html
        self._out.append(f"</{tag}>")
        self.forget(opened.place + (1 if opened.left else 0))
        return used


def _sides(kind: str, before: str, after: str) -> tuple[bool, bool]:
    """Whether a run between these characters may open, and whether it may close."""
    left = not _is_space(after) and (not _is_mark(after) or _is_space(before) or _is_mark(before))
    right = not _is_space(before) and (not _is_mark(before) or _is_space(after) or _is_mark(after))
    if kind != "_":
        return left, right
    return left and (not right or _is_mark(before)), right and (not left or _is_mark(after))


def _is_space(character: str) -> bool:
    return not character or character.isspace()


def _is_mark(character: str) -> bool:
    return bool(character) and not character.isalnum() and unicodedata.category(character)[0] in "PS"
