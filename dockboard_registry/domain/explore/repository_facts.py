"""The row of a repository in repository_facts: what lists show of it and sort by.

counting.py counts it. Here is what never waits for that: the row is made and deleted with its repository, and
visibility and stars are never behind.
"""

from ...db import Tx
from ...names import namespace_of

_MAKE = (
    "INSERT INTO repository_facts (repository_id, name, namespace, visibility, pushed_at, tags_count, size, kind,"
    " platforms, stars, pulls) SELECT id, name, ?, COALESCE(visibility, 'public'), created_at, 0, 0, '', '', 0, 0 FROM"
    " repositories WHERE id = ?"
)
_SHOW = "UPDATE repository_facts SET visibility = ? WHERE repository_id = ?"
_PRIVATE = (
    "UPDATE repository_facts SET visibility = 'private' WHERE namespace = ? AND repository_id IN (SELECT id FROM"
    " repositories WHERE visibility = 'private' AND name > ? AND name < ?)"
)
# Names of one segment are in library too.
_UNSET = (
    "UPDATE repository_facts SET visibility = ? WHERE namespace = ? AND repository_id IN (SELECT id FROM repositories"
    " WHERE visibility IS NULL)"
)
_STARRED = "UPDATE repository_facts SET stars = stars + ? WHERE repository_id = ?"
_FORGET = "DELETE FROM repository_facts WHERE repository_id = ?"


def make(tx: Tx, repository_id: int, name: str) -> None:
    """The repository was just made."""
    tx.insert(_MAKE, namespace_of(name), repository_id)


def hide(tx: Tx, namespace: str, low: str, high: str) -> None:
    """Repositories of the namespace, with names between these, have become private."""
    tx.run(_PRIVATE, namespace, low, high)


def show_unset(tx: Tx, namespace: str, visibility: str) -> None:
    """The default visibility of the namespace is another one now. It counts for repositories without their own."""
    tx.run(_UNSET, visibility, namespace)


def show(tx: Tx, repository_id: int, visibility: str) -> None:
    """The repository's visibility is another one now."""
    tx.run(_SHOW, visibility, repository_id)


def add_stars(tx: Tx, repository_id: int, count: int) -> None:
    """The repository has so many stars more. Its own row knows how many there are (domain/social/stars.py)."""
    tx.run(_STARRED, count, repository_id)


def forget(tx: Tx, repository_id: int) -> None:
    """The repository is deleted."""
    tx.run(_FORGET, repository_id)
