"""Settings of repositories: visibility, description, categories and the notice that one is deprecated."""

from collections.abc import Iterable

from ...db import Database, Tx
from ...errors import ChangeRefused, FieldInvalid, NameUnknown
from ...names import LIBRARY, namespace_of, repository_name
from .. import audit
from ..access.rule import PUBLIC
from ..accounts import namespaces
from ..audit import Actor
from ..changes import Unchanged, access_changed, recheck_rights, require_accounts, write_if_changed
from ..content import repositories
from ..explore import lists, repository_facts
from ..explore.lists import ListedRepository
from ..social import categories, deprecation
from ..social.deprecation import Deprecation
from . import effective_rights
from .effective_rights import EffectiveRight

MOST_DESCRIPTION = 4000


class RepositorySettings:
    def __init__(self, db: Database):
        self._db = db

    async def set_visibility(self, actor: Actor, name: str, visibility: str) -> None:
        """Raises NameInvalid, NameUnknown, FieldInvalid; ChangeRefused if there are no accounts, or if it would be
        private in a namespace that nobody holds.
        """
        await self.set(actor, name, visibility=visibility)

    async def set_description(self, actor: Actor, name: str, description: str) -> None:
        """Raises NameInvalid, NameUnknown, FieldInvalid."""
        await self.set(actor, name, description=description)

    async def set(
        self,
        actor: Actor,
        name: str,
        visibility: str | None = None,
        description: str | None = None,
        names: Iterable[str] | None = None,
        notice: Deprecation | None = None,
    ) -> None:
        """Set what is not None, in one transaction. An empty description removes it.

        names: of categories. notice: without a text it removes the one that is there.

        Raises what the single changes raise.
        """
        if visibility is not None:
            namespaces.visibility(visibility)
        if description is not None and (len(description) > MOST_DESCRIPTION or "\0" in description):
            raise FieldInvalid(
                f"the description has {len(description)} characters, or one that is not text",
                f"use at most {MOST_DESCRIPTION} characters",
            )
        repository_name(name)
        names = None if names is None else categories.checked(names)

        def change(tx: Tx) -> None:
            if visibility is None:
                recheck_rights(tx, actor)
            else:
                access_changed(tx, actor)
                require_accounts(tx)
            changed = visibility is not None and _set_visibility(tx, actor, name, visibility)
            changed |= description is not None and _set_description(tx, actor, name, description or None)
            changed |= names is not None and _set_categories(tx, actor, name, names)
            changed |= notice is not None and _set_deprecation(tx, actor, name, notice)
            if not changed:
                raise Unchanged

        await write_if_changed(self._db, change)

    async def rights(self, name: str) -> list[EffectiveRight]:
        """All rights to the repository, as administrators see them. Raises NameUnknown."""
        found = await self.get(name)
        return await effective_rights.of_repository(self._db, found.name, found.visibility, administrators=True)

    async def set_default(self, actor: Actor, namespace: str, visibility: str) -> None:
        """Set the visibility of repositories that are pushed to the namespace from now on.

        Raises AccountUnknown, FieldInvalid, ChangeRefused if there are no accounts.
        """
        namespaces.visibility(visibility)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            require_accounts(tx)
            known = namespaces.find(tx, namespace)
            if known is not None and known.released_at is None and known.default_visibility == visibility:
                raise Unchanged
            namespaces.set_default(tx, namespace, visibility)
            audit.note(tx, actor, "namespace.default", f"namespace {namespace}", visibility=visibility)

        await write_if_changed(self._db, change)

    async def get(self, name: str) -> ListedRepository:
        """Raises NameUnknown."""
        found = await self._db.scan(lambda tx: lists.one(tx, name))
        if found is None:
            raise NameUnknown(name=name)
        return found

    async def namespace(self, name: str) -> namespaces.Namespace:
        """Who holds it, and the visibility that the first push gives. Raises AccountUnknown."""

        def query(tx: Tx) -> namespaces.Namespace:
            namespaces.require_held(tx, name)
            return namespaces.find(tx, name) or namespaces.Namespace(LIBRARY, "system", 0, PUBLIC, None)

        return await self._db.scan(query)

    async def list(self, after: str = "", limit: int = 1000) -> list[ListedRepository]:
        """Repositories with names greater than `after` in byte order."""
        return await self._db.scan(lambda tx: lists.every(tx, after, limit))


def _set_visibility(tx: Tx, actor: Actor, name: str, visibility: str) -> bool:
    """Returns whether it changed. It also changes if the repository had none of its own."""
    if visibility != PUBLIC:
        _require_holder(tx, name)
    if _setting(tx, "SELECT visibility FROM repositories WHERE name = ?", name) == visibility:
        return False
    tx.run("UPDATE repositories SET visibility = ? WHERE name = ?", visibility, name)
    repository_facts.show(tx, repositories.find(tx, name), visibility)
    audit.note(tx, actor, "repository.visibility", f"repository {name}", visibility=visibility)
    return True


def _set_description(tx: Tx, actor: Actor, name: str, description: str | None) -> bool:
    """Returns whether it changed."""
    if _setting(tx, "SELECT description FROM repositories WHERE name = ?", name) == description:
        return False
    tx.run("UPDATE repositories SET description = ? WHERE name = ?", description, name)
    audit.note(tx, actor, "repository.description", f"repository {name}")
    return True


def _set_categories(tx: Tx, actor: Actor, name: str, names: list[str]) -> bool:
    """Returns whether they changed."""
    if not categories.replace(tx, repositories.locked(tx, name), names):
        return False
    audit.note(tx, actor, "repository.categories", f"repository {name}", categories=names)
    return True


def _set_deprecation(tx: Tx, actor: Actor, name: str, notice: Deprecation) -> bool:
    """Returns whether it changed."""
    if not deprecation.replace(tx, repositories.locked(tx, name), notice):
        return False
    audit.note(tx, actor, "repository.deprecation", f"repository {name}", **notice._asdict())
    return True


def _setting(tx: Tx, sql: str, name: str) -> str | None:
    """Raises NameUnknown."""
    row = tx.one(sql, name)
    if row is None:
        raise NameUnknown(name=name)
    return row[0]


def _require_holder(tx: Tx, name: str) -> None:
    """If everyone may push to a namespace that nobody holds, a private repository there would answer otherwise than a
    missing one.

    Raises ChangeRefused.
    """
    namespace = namespace_of(name)
    if namespace != LIBRARY and namespaces.find(tx, namespace) is None:
        raise ChangeRefused(
            f"nobody holds the namespace {namespace}, so nobody could see the repository",
            "make the user or the organization of that name first",
        )
