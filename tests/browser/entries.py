"""Which addresses of each route are looked at in the browser, and by whom.

A route that is new needs an entry here, else tests/browser/test_pages.py fails. What the addresses name is in
tests/browser/content.py.
"""

from __future__ import annotations

from typing import NamedTuple

# Routes of the program's files; they are no pages.
NO_PAGES = {"/static/{version}/{file}", "/favicon.ico", "/robots.txt"}


class Entry(NamedTuple):
    """An address, who is signed in there (nobody where empty), and the status of the answer."""

    path: str
    who: str = ""
    status: int = 200


ENTRIES: dict[str, tuple[Entry, ...]] = {
    "/": (Entry("/"), Entry("/", "bob")),
    "/login": (Entry("/login"),),
}
# What belongs to no route: errors.
ERRORS = (Entry("/Nothing/Is/Here", status=404), Entry("/Nothing/Is/Here", "bob", 404))


def every() -> list[Entry]:
    """All of them, those of the same person beside each other."""
    found = [entry for entries in ENTRIES.values() for entry in entries] + list(ERRORS)
    return sorted(found, key=lambda entry: entry.who)
