"""Pulls are counted in memory and written together. They add up over processes. No failure loses or doubles them."""

import pytest

from dockboard_registry.db import DatabaseBusy, OutcomeUnknown
from dockboard_registry.domain.audit import Actor
from dockboard_registry.domain.explore import pulls
from dockboard_registry.domain.explore.pulls import PullCounts
from dockboard_registry.names import Reference
from tests.contract.aio import asynchronous
from tests.contract.domain.world import image

BOB = Actor("user bob", "192.0.2.7")
TAG = "SELECT pulls, pulled_at FROM tags WHERE name = ?"
REPOSITORY = "SELECT pulls, pulled_at FROM repository_facts WHERE name = ?"


class Failing:
    """A Database whose first write fails, before or after it was committed."""

    def __init__(self, db, error: Exception, committed: bool):
        self._db, self._error, self._committed = db, error, committed

    def __getattr__(self, name: str):
        return getattr(self._db, name)

    async def write(self, fn, **options):
        error, self._error = self._error, None
        if error is None or self._committed:
            await self._db.write(fn, **options)
        if error is not None:
            raise error


async def counted(process, sql: str, name: str) -> int | None:
    """The count, which has a time where there is one."""
    row = await process.db.scan(lambda tx: tx.one(sql, name))
    assert row is None or (row[0] in (None, 0)) == (row[1] is None)
    return row and row[0]


async def pushed(process, *repositories: str) -> None:
    for repository in repositories:
        await process.push(b"config", repository)
        await process.put(image(b"config"), "v1", "v2", repository=repository)


@asynchronous
async def test_pulls_by_tag_count_for_tag_and_repository_and_others_for_the_repository(process):
    await pushed(process, "app", "other")
    for tag in ("v1", "v1", None, "gone"):
        process.pulls.count("app", tag)
    process.pulls.count("missing", "v1")
    assert await counted(process, TAG, "v1") is None
    await process.pulls.save()
    assert await counted(process, REPOSITORY, "app") == 4
    rows = await process.db.scan(lambda tx: tx.all("SELECT name, pulls FROM tags ORDER BY COALESCE(pulls, 0), name"))
    assert rows == [("v1", None), ("v2", None), ("v2", None), ("v1", 2)]


@asynchronous
async def test_processes_add_up(process, other):
    await pushed(process, "app")
    for each in (process, other, process):
        each.pulls.count("app", "v1")
        await each.pulls.save()
    await other.pulls.save()
    assert (await counted(process, TAG, "v1"), await counted(process, REPOSITORY, "app")) == (3, 3)


@asynchronous
async def test_a_count_stays_with_a_tag_that_moves_and_ends_with_the_tag(process):
    await pushed(process, "app")
    process.pulls.count("app", "v1")
    await process.pulls.save()
    await process.put(image(b"config", annotations={"a": "b"}), "v1")
    assert await counted(process, TAG, "v1") == 1
    await process.tags.delete("app", "v1")
    await process.put(image(b"config"), "v1")
    assert (await counted(process, TAG, "v1"), await counted(process, REPOSITORY, "app")) == (None, 1)


@asynchronous
async def test_a_repository_that_is_deleted_meanwhile_takes_its_counts_along(process):
    await process.people("bob")
    await pushed(process, "app", "other")
    for name in ("app", "other"):
        process.pulls.count(name, "v1")
    await process.deletion.delete(BOB, "app")
    await process.pulls.save()
    assert (await counted(process, REPOSITORY, "app"), await counted(process, REPOSITORY, "other")) == (None, 1)
    await pushed(process, "app")
    process.pulls.count("app", "v1")
    await process.pulls.save()
    assert await counted(process, REPOSITORY, "app") == 1


@asynchronous
@pytest.mark.parametrize(
    ("error", "committed"), [(DatabaseBusy(), False), (OutcomeUnknown(), True)], ids=["refused", "unanswered"]
)
async def test_a_write_that_fails_neither_loses_pulls_nor_counts_them_twice(process, error, committed):
    await pushed(process, "app")
    counts = PullCounts(Failing(process.db, error, committed))
    counts.count("app", "v1")
    await counts.save()
    counts.count("app", "v1")
    await counts.save()
    assert (await counted(process, TAG, "v1"), await counted(process, REPOSITORY, "app")) == (2, 2)


@asynchronous
async def test_many_are_written_in_several_transactions(process):
    await pushed(process, "app")
    for number in range(300):
        process.pulls.count("app", f"t{number}")
    process.pulls.count("app", "v2")
    await process.pulls.save()
    assert (await counted(process, TAG, "v2"), await counted(process, REPOSITORY, "app")) == (1, 301)


@asynchronous
async def test_what_is_counted_at_once_is_bounded(process):
    await pushed(process, "app")
    for number in range(pulls.MOST + 10):
        process.pulls.count("app", f"t{number}")
    process.pulls.count("app", "t0")
    await process.pulls.save()
    assert await counted(process, REPOSITORY, "app") == pulls.MOST + 1


@asynchronous
async def test_the_end_of_a_process_writes_what_it_has_counted(process):
    await pushed(process, "app")
    process.pulls.count("app", "v1")
    await process.pulls.finish()
    assert await counted(process, REPOSITORY, "app") == 1
    assert (await process.manifest("app", Reference("v1", None))).body
