"""What is said of repositories besides their content: who may see them, and what they are."""

from typing import NamedTuple

from ..db import Database, Tx
from ..errors import FieldInvalid, NameUnknown
from ..names import repository_name
from . import audit, namespaces
from .access import PUBLIC
from .audit import Actor
from .changes import access_changed, require_accounts

_MOST_DESCRIPTION = 4000
_LIST = (
    "SELECT repositories.name, repositories.visibility, namespaces.default_visibility, repositories.description, repositories.created_at FROM repositories"
    " LEFT JOIN namespaces ON namespaces.name ="
    " CASE INSTR(repositories.name, '/') WHEN 0 THEN 'library' ELSE SUBSTR(repositories.name, 1, INSTR(repositories.name, '/') - 1) END"
    " WHERE repositories.name > ? ORDER BY repositories.name LIMIT ?"
)


class Described(NamedTuple):
    """created_at in milliseconds since 1970."""

    name: str
    visibility: str
    description: str | None
    created_at: int


class RepositorySettings:
    def __init__(self, db: Database):
        self._db = db

    async def set_visibility(self, actor: Actor, name: str, visibility: str) -> None:
        """Raises NameInvalid, NameUnknown, FieldInvalid, ChangeRefused where there are no accounts."""
        namespaces.visibility(visibility)

        def change(tx: Tx) -> None:
            access_changed(tx)
            require_accounts(tx)
            _change(tx, "UPDATE repositories SET visibility = ? WHERE name = ?", visibility, repository_name(name))
            audit.note(tx, actor, "repository.visibility", f"repository {name}", visibility=visibility)

        await self._db.write(change)

    async def set_description(self, actor: Actor, name: str, description: str) -> None:
        """Raises NameInvalid, NameUnknown, FieldInvalid."""
        if len(description) > _MOST_DESCRIPTION or "\0" in description:
            raise FieldInvalid("the description is too long, or not text", f"use at most {_MOST_DESCRIPTION} characters")

        def change(tx: Tx) -> None:
            _change(tx, "UPDATE repositories SET description = ? WHERE name = ?", description or None, repository_name(name))
            audit.note(tx, actor, "repository.description", f"repository {name}")

        await self._db.write(change)

    async def set_default(self, actor: Actor, namespace: str, visibility: str) -> None:
        """The visibility of repositories that are pushed to the namespace from now on. Raises AccountUnknown, FieldInvalid, ChangeRefused where there are no accounts."""
        namespaces.visibility(visibility)

        def change(tx: Tx) -> None:
            access_changed(tx)
            require_accounts(tx)
            namespaces.set_default(tx, namespace, visibility)
            audit.note(tx, actor, "namespace.default", f"namespace {namespace}", visibility=visibility)

        await self._db.write(change)

    async def list(self, after: str = "", limit: int = 1000) -> list[Described]:
        """Repositories with names greater than `after` in byte order."""
        rows = await self._db.scan(lambda tx: tx.all(_LIST, after, limit))
        return [Described(name, own or default or PUBLIC, text, at) for name, own, default, text, at in rows]


def _change(tx: Tx, sql: str, setting: str | None, name: str) -> None:
    if not tx.run(sql, setting, name):
        raise NameUnknown("this registry has no repository of that name")
