"""All that a repository's page says about it besides its content, read in one snapshot."""

from typing import NamedTuple

from ...db import Database, Tx
from ...errors import NameUnknown
from ..access.rule import USER, Principal
from ..content import repositories
from ..explore import lists
from ..explore.lists import ListedRepository
from . import categories, deprecation, stars
from .deprecation import Deprecation

_COUNTS = "SELECT COALESCE(stars, 0), COALESCE(comments, 0) FROM repositories WHERE id = ?"


class Details(NamedTuple):
    """starred: by the one who asks."""

    listed: ListedRepository
    stars: int
    comments: int
    categories: list[str]
    deprecation: Deprecation
    starred: bool

    @property
    def name(self) -> str:
        return self.listed.name

    @property
    def visibility(self) -> str:
        return self.listed.visibility

    @property
    def description(self) -> str | None:
        return self.listed.description

    @property
    def created_at(self) -> int:
        return self.listed.created_at


async def details(db: Database, name: str, asker: Principal) -> Details:
    """Raises NameUnknown."""
    return await db.scan(lambda tx: read(tx, repositories.require(tx, name), name, asker))


def read(tx: Tx, id: int, name: str, asker: Principal) -> Details:
    """Of the repository with this id and name. Raises NameUnknown."""
    found = lists.one(tx, name)
    if found is None:
        raise NameUnknown(name=name)
    starred = asker.kind == USER and stars.is_starred(tx, asker.id, id)
    return Details(found, *tx.one(_COUNTS, id), categories.of(tx, id), deprecation.of(tx, id), starred)
