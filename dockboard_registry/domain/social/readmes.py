"""The README of a repository: a text in Markdown that whoever has the right admin writes."""

from typing import NamedTuple

from ...db import Database, Tx, now
from ...errors import FieldInvalid
from .. import audit
from ..audit import Actor
from ..changes import Unchanged, recheck_rights, write_if_changed
from ..content import repositories

MOST_BYTES = 512 << 10
_FIND = "SELECT body, updated_at FROM readmes WHERE repository_id = ?"
_ADD = "INSERT INTO readmes (repository_id, body, updated_at) VALUES (?, ?, ?)"
_SET = "UPDATE readmes SET body = ?, updated_at = ? WHERE repository_id = ?"
_REMOVE = "DELETE FROM readmes WHERE repository_id = ?"


class Readme(NamedTuple):
    """updated_at in milliseconds since 1970."""

    text: str
    updated_at: int


class Readmes:
    def __init__(self, db: Database):
        self._db = db

    async def get(self, name: str) -> Readme | None:
        """Raises NameUnknown."""
        return await self._db.scan(lambda tx: of(tx, repositories.require(tx, name)))

    async def set(self, actor: Actor, name: str, text: str) -> None:
        """An empty text removes the README. Raises NameUnknown, FieldInvalid."""
        text = checked(text)

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            id = repositories.locked(tx, name)
            found = of(tx, id)
            if (found.text if found else "") == text:
                raise Unchanged
            _store(tx, id, text, found is not None)
            audit.note(tx, actor, "repository.readme", f"repository {name}", bytes=len(text.encode()))

        await write_if_changed(self._db, change, brings=2 * len(text.encode()))


def of(tx: Tx, repository_id: int) -> Readme | None:
    row = tx.one(_FIND, repository_id)
    return row and Readme(*row)


def checked(text: str) -> str:
    """The text as it is kept. Raises FieldInvalid."""
    text = text.replace("\r\n", "\n")
    size = len(text.encode())
    if size > MOST_BYTES or "\0" in text:
        raise FieldInvalid(
            f"a README has at most {MOST_BYTES} bytes of text, and this one has {size}",
            "shorten it, and link to the rest",
        )
    return text if text.strip() else ""


def _store(tx: Tx, repository_id: int, text: str, is_there: bool) -> None:
    if not text:
        tx.run(_REMOVE, repository_id)
    elif is_there:
        tx.run(_SET, text, now(), repository_id)
    else:
        tx.run(_ADD, repository_id, text, now())
