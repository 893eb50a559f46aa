"""Lists of repositories that somebody may pull: complete over all pages, and each page bounded in its work."""

import pytest

from dockboard_registry.domain.access import patterns
from dockboard_registry.domain.access.rule import PULL, USER, Grant, Principal, ScopeEntry, narrowed
from dockboard_registry.domain.rights import listed_repositories
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere

MADE = "INSERT INTO repositories (id, name, created_at, visibility) VALUES (?, ?, 0, ?)"


async def filled(process, names: dict[str, str]) -> None:
    await process.db.write(
        lambda tx: [tx.run(MADE, number, name, visibility) for number, (name, visibility) in enumerate(names.items())]
    )


async def pages(process, principal: Principal, limit: int) -> list[list[str]]:
    """All pages, one after the other."""
    found, after = [], ""
    while after is not None:
        items, after = await process.db.scan(lambda tx: listed_repositories.visible(tx, principal, after, limit))
        found.append([item.name for item in items])
    return found


def flat(found: list[list[str]]) -> list[str]:
    return [name for page in found for name in page]


def granted(*texts: str) -> dict[str, tuple[Grant, ...]]:
    parsed = [patterns.parse(text) for text in texts]
    return {
        pattern.namespace: tuple(
            Grant(each, "read", "user:ann") for each in parsed if each.namespace == pattern.namespace
        )
        for pattern in parsed
    }


@everywhere
@asynchronous
async def test_everything_that_may_be_pulled_comes_once_and_in_order(process):
    names = {
        f"{space}/app-{number}": visibility
        for space in ("a", "a-b", "a0", "ann", "z")
        for number in range(30)
        for visibility in ["private"]
    }
    names |= {"one": "private", "public": "public", "z/public": "public", "a/public": "public"}
    await filled(process, names)
    ann = Principal(1, USER, "ann", grants=granted("a-b/**", "a0/app-1*", "one"))
    wanted = [name for name in names if name.startswith(("ann/", "a-b/", "a0/app-1"))] + [
        "one",
        "public",
        "z/public",
        "a/public",
    ]
    for limit in (1, 3, 7, 100):
        found = await pages(process, ann, limit)
        assert flat(found) == sorted(wanted) and all(len(page) <= limit for page in found)


@asynchronous
async def test_a_page_is_short_where_there_is_much_to_look_at(process):
    """20,000 repositories of others: no page looks at all of them, and what may be seen comes all the same."""
    names = {f"other-{number % 40}/app-{number:05d}": "private" for number in range(20_000)}
    names |= {"ann/app": "private", "zoe/app": "public"}
    await filled(process, names)
    found = await pages(process, Principal(1, USER, "ann"), 50)
    assert flat(found) == ["ann/app", "zoe/app"] and 4 <= len(found) <= 6


@asynchronous
@pytest.mark.parametrize("administrator", [True, False])
async def test_many_patterns_cost_no_look_at_each_for_each_repository(process, administrator):
    await filled(process, {f"s{number % 500:03d}/app-{number:05d}": "private" for number in range(5_000)})
    scope = tuple(ScopeEntry(patterns.parse(f"s{number:03d}/**"), frozenset({PULL})) for number in range(450))
    everything = granted(*(f"s{number:03d}/**" for number in range(450)))
    principal = narrowed(Principal(1, USER, "ann", administrator, grants={} if administrator else everything), scope)
    found = flat(await pages(process, principal, 100))
    assert len(found) == 4_500 and found == sorted(found) and not [name for name in found if name >= "s450"]
