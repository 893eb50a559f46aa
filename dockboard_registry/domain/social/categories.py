"""Categories of a repository: a few short names, by which lists are filtered."""

import re
from collections.abc import Iterable

from ...db import Tx
from ...errors import FieldInvalid
from ...wording import quoted

MOST, LONGEST = 5, 32
GRAMMAR = "[a-z0-9]+(?:-[a-z0-9]+)*"
_LIST = "SELECT category FROM repository_categories WHERE repository_id = ? ORDER BY category"
_ADD = "INSERT INTO repository_categories (repository_id, category) VALUES (?, ?)"
_REMOVE = "DELETE FROM repository_categories WHERE repository_id = ? AND category = ?"


def checked(names: Iterable[str]) -> list[str]:
    """The names, sorted, each once. Raises FieldInvalid."""
    found = sorted(set(names))
    if len(found) > MOST:
        raise FieldInvalid(f"a repository has at most {MOST} categories", "leave some out")
    for name in found:
        if len(name) > LONGEST or not re.fullmatch(GRAMMAR, name):
            raise FieldInvalid(
                f"{quoted(name)} is not the name of a category",
                f"use at most {LONGEST} lower-case letters and digits, with single - between them",
            )
    return found


def of(tx: Tx, repository_id: int) -> list[str]:
    return [name for (name,) in tx.all(_LIST, repository_id)]


def replace(tx: Tx, repository_id: int, names: list[str]) -> bool:
    """Returns whether they changed."""
    there = of(tx, repository_id)
    for name in there:
        if name not in names:
            tx.run(_REMOVE, repository_id, name)
    for name in names:
        if name not in there:
            tx.run(_ADD, repository_id, name)
    return there != names
