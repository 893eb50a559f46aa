"""The notice that a repository is deprecated, and which repository replaces it."""

from typing import NamedTuple

from ...db import Tx
from ...errors import FieldInvalid
from ...names import repository_name

LONGEST = 1000
_FIND = "SELECT deprecation, replacement FROM repositories WHERE id = ?"
_SET = "UPDATE repositories SET deprecation = ?, replacement = ? WHERE id = ?"


class Deprecation(NamedTuple):
    """replacement: the name of a repository, which need not be there. The text is empty if there is no notice."""

    text: str = ""
    replacement: str | None = None


def checked(text: str, replacement: str | None = None) -> Deprecation:
    """Raises FieldInvalid, NameInvalid."""
    text = " ".join(text.split())
    if len(text) > LONGEST or "\0" in text:
        raise FieldInvalid(f"the notice has {len(text)} characters", f"use at most {LONGEST} characters of text")
    if not text and replacement:
        raise FieldInvalid("the notice has a replacement and no text", "say in the text why, and what to do")
    return Deprecation(text, repository_name(replacement) if replacement else None)


def of(tx: Tx, repository_id: int) -> Deprecation:
    text, replacement = tx.one(_FIND, repository_id) or (None, None)
    return Deprecation(text or "", replacement)


def replace(tx: Tx, repository_id: int, notice: Deprecation) -> bool:
    """Returns whether it changed."""
    if of(tx, repository_id) == notice:
        return False
    tx.run(_SET, notice.text or None, notice.replacement, repository_id)
    return True
