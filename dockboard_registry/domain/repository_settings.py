"""What is said of repositories besides their content: who may see them, and what they are."""

from typing import NamedTuple

from ..db import Database, Row, Tx
from ..errors import ChangeRefused, FieldInvalid, NameUnknown
from ..names import LIBRARY, namespace_of, repository_name
from . import access, audit, holders, namespaces
from .access import PUBLIC, PULL, USER, Principal, decide
from .audit import Actor
from .changes import access_changed, require_accounts, require_standing
from .holders import Held

MOST_DESCRIPTION = 4000
# Rows that are read at a time where not all of them are shown.
_PIECE = 500
_DESCRIBED = (
    "SELECT repositories.name, repositories.visibility, namespaces.default_visibility, repositories.description, repositories.created_at FROM repositories"
    " LEFT JOIN namespaces ON namespaces.name ="
    " CASE INSTR(repositories.name, '/') WHEN 0 THEN 'library' ELSE SUBSTR(repositories.name, 1, INSTR(repositories.name, '/') - 1) END"
)
_LIST = f"{_DESCRIBED} WHERE repositories.name > ? ORDER BY repositories.name LIMIT ?"
_ONE = f"{_DESCRIBED} WHERE repositories.name = ?"
_PUBLIC = (
    f"{_DESCRIBED} WHERE repositories.name > ? AND COALESCE(repositories.visibility, namespaces.default_visibility, 'public') = 'public'"
    " ORDER BY repositories.name LIMIT ?"
)
# Of the names that begin with NAMESPACE/ the last one is less than NAMESPACE0: 0 comes after the slash.
_WITHIN = f"{_DESCRIBED} WHERE repositories.name > ? AND repositories.name > ? AND repositories.name < ? ORDER BY repositories.name LIMIT ?"
_LIBRARY = f"{_DESCRIBED} WHERE repositories.name > ? AND INSTR(repositories.name, '/') = 0 ORDER BY repositories.name LIMIT ?"


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
        """Raises NameInvalid, NameUnknown, FieldInvalid; ChangeRefused where there are no accounts, or it would be private and nobody's."""
        await self.set(actor, name, visibility=visibility)

    async def set_description(self, actor: Actor, name: str, description: str) -> None:
        """Raises NameInvalid, NameUnknown, FieldInvalid."""
        await self.set(actor, name, description=description)

    async def set(self, actor: Actor, name: str, visibility: str | None = None, description: str | None = None) -> None:
        """Both, or what is not None, in one transaction; an empty description removes it. Raises what the single changes raise."""
        if visibility is not None:
            namespaces.visibility(visibility)
        if description is not None and (len(description) > MOST_DESCRIPTION or "\0" in description):
            raise FieldInvalid("the description is too long, or not text", f"use at most {MOST_DESCRIPTION} characters")
        repository_name(name)

        def change(tx: Tx) -> None:
            if visibility is None:
                require_standing(tx, actor)
            else:
                access_changed(tx, actor)
                require_accounts(tx)
                if visibility != PUBLIC:
                    _require_holder(tx, name)
                _change(tx, "UPDATE repositories SET visibility = ? WHERE name = ?", visibility, name)
                audit.note(tx, actor, "repository.visibility", f"repository {name}", visibility=visibility)
            if description is not None:
                _change(tx, "UPDATE repositories SET description = ? WHERE name = ?", description or None, name)
                audit.note(tx, actor, "repository.description", f"repository {name}")

        await self._db.write(change)

    async def rights(self, name: str) -> list[Held]:
        """Who can do what with the repository, as administrators see it. Raises NameUnknown."""
        found = await self.get(name)
        return await holders.of_repository(self._db, found.name, found.visibility, administrators=True)

    async def set_default(self, actor: Actor, namespace: str, visibility: str) -> None:
        """The visibility of repositories that are pushed to the namespace from now on. Raises AccountUnknown, FieldInvalid, ChangeRefused where there are no accounts."""
        namespaces.visibility(visibility)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            require_accounts(tx)
            namespaces.set_default(tx, namespace, visibility)
            audit.note(tx, actor, "namespace.default", f"namespace {namespace}", visibility=visibility)

        await self._db.write(change)

    async def get(self, name: str) -> Described:
        """Raises NameUnknown."""
        row = await self._db.scan(lambda tx: tx.one(_ONE, name))
        if row is None:
            raise NameUnknown(name=name)
        return _described(row)

    async def visible(self, principal: Principal, after: str, limit: int) -> list[Described]:
        """The same as `list`, of what the principal may pull: what is public, and what there is in namespaces where the principal has rights."""

        def query(tx: Tx) -> list[Described]:
            if principal.administrator:
                # With a token for less: there is no telling in which namespaces.
                return list(_pulled(tx, principal, _LIST, (), after, limit).values())
            found = _pulled(tx, principal, _PUBLIC, (), after, limit)
            for namespace in {*principal.memberships, *principal.grants, *([principal.name] if principal.kind == USER else [])}:
                found |= _pulled(tx, principal, _WITHIN, namespaces.bounds(namespace), after, limit)
                if namespace == LIBRARY:
                    found |= _pulled(tx, principal, _LIBRARY, (), after, limit)
            return [found[name] for name in sorted(found)[:limit]]

        return await self._db.scan(query)

    async def namespace(self, name: str) -> namespaces.Namespace:
        """Who holds it, and what the first push makes there. Raises AccountUnknown."""

        def query(tx: Tx) -> namespaces.Namespace:
            namespaces.require_held(tx, name)
            return namespaces.find(tx, name) or namespaces.Namespace(LIBRARY, "system", 0, PUBLIC, None)

        return await self._db.scan(query)

    async def list(self, after: str = "", limit: int = 1000) -> list[Described]:
        """Repositories with names greater than `after` in byte order."""
        rows = await self._db.scan(lambda tx: tx.all(_LIST, after, limit))
        return [_described(row) for row in rows]


def _described(row: Row) -> Described:
    name, own, default, text, at = row
    return Described(name, own or default or PUBLIC, text, at)


def _pulled(tx: Tx, principal: Principal, sql: str, bounds: tuple[str, ...], after: str, limit: int) -> dict[str, Described]:
    """What the statement finds after this name and the principal may pull, at most `limit`, by name."""
    found: dict[str, Described] = {}
    while len(found) < limit:
        rows = tx.all(sql, after, *bounds, _PIECE)
        for item in map(_described, rows):
            if decide(principal, PULL, access.repository(item.name, True, item.visibility)).allowed:
                found[item.name] = item
        if len(rows) < _PIECE:
            break
        after = rows[-1][0]
    return dict(sorted(found.items())[:limit])


def _change(tx: Tx, sql: str, setting: str | None, name: str) -> None:
    if not tx.run(sql, setting, name):
        raise NameUnknown(name=name)


def _require_holder(tx: Tx, name: str) -> None:
    """Where everyone may push to what nobody holds, something private there would be told from what is not there."""
    namespace = namespace_of(name)
    if namespace != LIBRARY and namespaces.find(tx, namespace) is None:
        raise ChangeRefused(f"nobody holds the namespace {namespace}, so nobody could see the repository", "make the user or the organization of that name first")
