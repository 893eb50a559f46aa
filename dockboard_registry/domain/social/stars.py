"""Stars: users mark repositories that they may pull. Everybody sees how many there are, and nobody whose they are.

The number is kept in the row of the repository. Each change of it locks that row first.
"""

from ...db import Database, Tx, now
from ...errors import ChangeRefused
from ..access import rule
from ..access.rule import PULL, Principal, decide
from ..audit import Actor
from ..changes import Unchanged, recheck_rights, write_if_changed
from ..content import repositories
from ..explore import lists, repository_facts
from ..explore.lists import ListedRepository

# Of one user. Lists look at all of them, and deleting the account changes so many repositories at once.
MOST = 1000
_COUNT = "UPDATE repositories SET stars = COALESCE(stars, 0) + ? WHERE id = ?"
_ADD = "INSERT INTO stars (user_id, repository_id, created_at) VALUES (?, ?, ?)"
_REMOVE = "DELETE FROM stars WHERE user_id = ? AND repository_id = ?"
_OF_USER = "SELECT COUNT(*) FROM stars WHERE user_id = ?"
_FIND = "SELECT 1 FROM stars WHERE user_id = ? AND repository_id = ?"


class Stars:
    def __init__(self, db: Database):
        self._db = db

    async def add(self, actor: Actor, user_id: int, name: str) -> None:
        """Star the repository, once. Raises NameUnknown; ChangeRefused if the user has too many stars."""

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            id = repositories.require(tx, name)
            tx.run(_COUNT, 1, id)
            if not tx.insert(_ADD, user_id, id, now()):
                raise Unchanged
            if tx.one(_OF_USER, user_id)[0] > MOST:
                raise ChangeRefused(f"a user stars at most {MOST} repositories", "take a star away first")
            repository_facts.add_stars(tx, id, 1)

        await write_if_changed(self._db, change)

    async def remove(self, actor: Actor, user_id: int, name: str) -> None:
        """Take the star away if there is one. Raises NameUnknown."""

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            if not _take_away(tx, user_id, repositories.require(tx, name)):
                raise Unchanged

        await write_if_changed(self._db, change, brings=0)

    async def remove_hidden(self, actor: Actor, principal: Principal) -> None:
        """Take away the user's stars on repositories that they may not pull any more."""

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            hidden = [item.name for item in lists.starred(tx, principal.id, "") if not _may_pull(principal, item)]
            for id in filter(None, [repositories.find(tx, name) for name in hidden]):
                _take_away(tx, principal.id, id)

        await self._db.write(change, brings=0, long=True)

    async def list(self, principal: Principal, after: str, limit: int) -> list[ListedRepository]:
        """Repositories that the user starred and may still pull, with names greater than `after`."""

        def query(tx: Tx) -> list[ListedRepository]:
            found = lists.starred(tx, principal.id, after)
            return [item for item in found if _may_pull(principal, item)][:limit]

        return await self._db.scan(query)


def _take_away(tx: Tx, user_id: int, repository_id: int) -> bool:
    """Whether there was a star. The row of the repository is locked first, whose count is right afterwards."""
    tx.run(_COUNT, -1, repository_id)
    if tx.run(_REMOVE, user_id, repository_id):
        repository_facts.add_stars(tx, repository_id, -1)
        return True
    tx.run(_COUNT, 1, repository_id)
    return False


def is_starred(tx: Tx, user_id: int, repository_id: int) -> bool:
    return tx.one(_FIND, user_id, repository_id) is not None


def _may_pull(principal: Principal, item: ListedRepository) -> bool:
    return decide(principal, PULL, rule.repository(item.name, True, item.visibility)).allowed
