"""Comments on repositories, by users who may pull them.

Whoever may read a comment sees the name of its author. The comments of an account that was deleted stay without a name.
"""

from typing import NamedTuple

from ...db import Database, Tx, now
from ...errors import AccountUnknown, ChangeRefused, Denied, FieldInvalid, TooManyRequests
from .. import audit
from ..audit import Actor
from ..changes import recheck_rights
from ..content import repositories

MOST_BYTES = 4096
# Of one repository.
MOST = 1000
# How many comments one user writes, in so many seconds.
AT_ONCE, WINDOW = 10, 600
NEWEST = (1 << 63) - 1
_COUNT = "UPDATE repositories SET comments = COALESCE(comments, 0) + ? WHERE id = ?"
_COUNTED = "SELECT comments FROM repositories WHERE id = ?"
_LATELY = "SELECT COUNT(*), MIN(created_at) FROM comments WHERE user_id = ? AND created_at > ?"
_ADD = "INSERT INTO comments (id, repository_id, user_id, body, created_at) VALUES (?, ?, ?, ?, ?)"
_AUTHOR = "SELECT user_id FROM comments WHERE id = ? AND repository_id = ?"
_EDIT = "UPDATE comments SET body = ?, edited_at = ? WHERE id = ?"
_COLUMNS = (
    "SELECT comments.id, users.name, comments.body, comments.created_at, comments.edited_at, comments.user_id"
    " FROM comments LEFT JOIN users ON users.id = comments.user_id WHERE comments.repository_id = ?"
)
_ONE = f"{_COLUMNS} AND comments.id = ?"
_LIST = f"{_COLUMNS} AND comments.id < ? ORDER BY comments.id DESC LIMIT ?"


class Comment(NamedTuple):
    """author: None if the account is gone. Times in milliseconds since 1970."""

    id: int
    author: str | None
    text: str
    created_at: int
    edited_at: int | None
    author_id: int


class Comments:
    def __init__(self, db: Database):
        self._db = db

    async def list(self, name: str, before: int = NEWEST, limit: int = 50) -> list[Comment]:
        """The newest comments first, those with ids below `before`. Raises NameUnknown."""
        return await self._db.scan(lambda tx: newest(tx, repositories.require(tx, name), limit, before))

    async def get(self, name: str, id: int) -> Comment:
        """Raises NameUnknown, AccountUnknown."""
        return await self._db.scan(lambda tx: _require(tx, repositories.require(tx, name), id))

    async def add(self, actor: Actor, author_id: int, name: str, text: str) -> Comment:
        """Raises NameUnknown, FieldInvalid; TooManyRequests where the author writes too fast; ChangeRefused where the
        repository has too many comments.
        """
        text = _checked(text)

        def change(tx: Tx) -> Comment:
            recheck_rights(tx, actor)
            id = repositories.require(tx, name)
            tx.run(_COUNT, 1, id)
            if tx.one(_COUNTED, id)[0] > MOST:
                raise ChangeRefused(f"a repository has at most {MOST} comments", "remove a comment first")
            _limit_rate(tx, author_id)
            made = repositories.new_id()
            tx.run(_ADD, made, id, author_id, text, now())
            return _require(tx, id, made)

        return await self._db.write(change, brings=2 * MOST_BYTES)

    async def edit(self, actor: Actor, author_id: int, name: str, id: int, text: str) -> Comment:
        """Raises NameUnknown, AccountUnknown, FieldInvalid; Denied for others than the author."""
        text = _checked(text)

        def change(tx: Tx) -> Comment:
            recheck_rights(tx, actor)
            repository = repositories.require(tx, name)
            if _author(tx, repository, id) != author_id:
                raise Denied("only its author edits a comment", "write a comment of your own")
            tx.run(_EDIT, text, now(), id)
            return _require(tx, repository, id)

        return await self._db.write(change, brings=2 * MOST_BYTES)

    async def remove(self, actor: Actor, name: str, id: int, author_id: int | None) -> None:
        """author_id: the user who must be the author; None: any comment may be removed, and the audit notes it.

        Raises NameUnknown, AccountUnknown; Denied for others than the author.
        """

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            repository = repositories.require(tx, name)
            tx.run(_COUNT, -1, repository)
            found = _require(tx, repository, id)
            if author_id is None:
                audit.note(tx, actor, "comment.remove", f"repository {name}", author=found.author, at=found.created_at)
            elif found.author_id != author_id:
                raise Denied(
                    "a comment is removed by its author, or by whoever has the right admin on the repository",
                    "ask one of them",
                )
            tx.run("DELETE FROM comments WHERE id = ?", id)

        await self._db.write(change, brings=0)


def newest(tx: Tx, repository_id: int, limit: int, before: int = NEWEST) -> list[Comment]:
    """The newest comments first, those with ids below `before`."""
    return [Comment(*row) for row in tx.all(_LIST, repository_id, before, limit)]


def _checked(text: str) -> str:
    """The text as it is kept. Raises FieldInvalid."""
    text = text.replace("\r\n", "\n").strip()
    size = len(text.encode())
    if not 0 < size <= MOST_BYTES or "\0" in text:
        raise FieldInvalid(f"a comment has 1 to {MOST_BYTES} bytes of text, and this one has {size}", "shorten it")
    return text


def _limit_rate(tx: Tx, author_id: int) -> None:
    at = now()
    written, oldest = tx.one(_LATELY, author_id, at - WINDOW * 1000)
    if written >= AT_ONCE:
        wait = -(-(oldest + WINDOW * 1000 - at) // 1000)
        raise TooManyRequests(
            f"one user writes at most {AT_ONCE} comments in {WINDOW // 60} minutes",
            headers={"Retry-After": str(max(wait, 1))},
        )


def _author(tx: Tx, repository_id: int, id: int) -> int:
    row = tx.lock(_AUTHOR, id, repository_id)
    if row is None:
        raise _unknown()
    return row[0]


def _require(tx: Tx, repository_id: int, id: int) -> Comment:
    row = tx.one(_ONE, repository_id, id)
    if row is None:
        raise _unknown()
    return Comment(*row)


def _unknown() -> AccountUnknown:
    return AccountUnknown("the repository has no such comment", "look at the list of its comments")
