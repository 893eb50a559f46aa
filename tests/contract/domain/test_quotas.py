"""Quotas: what counts, what is refused and when, and that no pushes at once go over together."""

import asyncio
import contextlib
import random
import sqlite3

import pytest

from dockboard_registry.db import migrate
from dockboard_registry.domain.content.blobs import Blobs
from dockboard_registry.domain.content.manifests import Manifests
from dockboard_registry.domain.garbage.collect import Collector
from dockboard_registry.domain.quotas import quota_sums
from dockboard_registry.domain.quotas.quota_settings import QuotaSettings, Usage
from dockboard_registry.domain.quotas.quota_sums import Counting
from dockboard_registry.domain.quotas.quotas import UNLIMITED, Quotas
from dockboard_registry.domain.uploads.uploads import Uploads
from dockboard_registry.errors import AccountUnknown, FieldInvalid, QuotaExceeded, RegistryError
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.world import LONG, OPERATOR, Between, full_round, image, index, sha256

PARALLEL, PIECE = 12, 1000


def limited(process, quotas: Quotas = Quotas()):
    """The process under these settings of the registry, with its side of administrators as `quotas`."""
    db, storage = process.db, process.storage
    process.uploads = Uploads(db, storage, "this start", 1000, quotas)
    process.blobs, process.manifests = Blobs(db, storage, LONG, quotas), Manifests(db, quotas)
    process.quotas = QuotaSettings(db, quotas)
    return process


@pytest.fixture
def process(world):
    return limited(world.process())


async def used(process, name: str = "bob", kind: str = "user") -> Usage:
    return await process.quotas.show(kind, name)


async def allow(process, bytes: int | None = None, repositories: int | None = None, name: str = "bob") -> None:
    given = {"bytes": bytes, "repositories": repositories}
    await process.quotas.set(
        OPERATOR, "user", name, **{key: value for key, value in given.items() if value is not None}
    )


@asynchronous
async def test_what_counts_is_each_blob_once_and_each_manifest(process):
    await process.people("bob", "bobby")
    for repository in ("bob/one", "bob/two"):
        for data in (b"c" * 100, b"layer" * 100):
            await process.push(data, repository)
    body = image(b"c" * 100, b"layer" * 100)
    for repository in ("bob/one", "bob/two"):
        await process.put(body, repository=repository)
    await process.push(b"not his" * 999, "bobby/app")
    await process.push(b"nor this" * 999, "bob")
    assert await used(process) == Usage("bob", None, 2, None, 600 + 2 * len(body))


@asynchronous
async def test_a_push_that_goes_over_says_quota_used_and_wanted(process):
    await process.people("bob")
    await allow(process, bytes=3000)
    await process.push(b"x" * 2000, "bob/app")
    with pytest.raises(QuotaExceeded) as refused:
        await process.push(b"y" * 1001, "bob/app")
    assert refused.value.facts == {"quota": 3000, "used": 2000, "wanted": 1001}
    assert (
        str(refused.value)
        == "the quota of namespace bob is 2.9 KiB: 2.0 KiB are used, and this push wants 1001 bytes more"
    )
    assert (refused.value.status, refused.value.code) == (403, "DENIED")
    # Nothing of it stays: neither row nor bytes.
    assert len(await process.keys()) == await process.count("SELECT COUNT(*) FROM blobs") == 1
    assert await process.count("SELECT COUNT(*) FROM uploads") == 0
    await process.push(b"z" * 1000, "bob/app")
    assert (await used(process)).bytes == 3000
    # What is there already adds nothing, neither here nor elsewhere in the namespace.
    assert await process.blobs.mount("bob/other", sha256(b"z" * 1000), "bob/app")
    with pytest.raises(QuotaExceeded):
        await process.put(index(), repository="bob/app")


@asynchronous
async def test_before_bytes_are_sent_their_number_is_enough(process):
    await process.people("bob")
    await allow(process, bytes=3000)
    session = await process.uploads.start("bob/app", wanted=3000)
    with pytest.raises(QuotaExceeded):
        await process.uploads.start("bob/app", wanted=3001)
    session = await process.sent(session, b"x" * 2000)
    assert (await process.uploads.enter("bob/app", session.id, None, 1000)).size == 2000
    with pytest.raises(QuotaExceeded):
        await process.uploads.enter("bob/app", session.id, None, 1001)
    assert await process.count("SELECT COUNT(*) FROM uploads") == 0 and await process.keys() == []


@asynchronous
async def test_what_is_deleted_and_collected_makes_room(process):
    await process.people("bob")
    await allow(process, bytes=3000)
    for data in (b"a" * 1000, b"b" * 1000, b"c" * 1000):
        await process.push(data, "bob/app")
    with pytest.raises(QuotaExceeded):
        await process.push(b"d" * 1000, "bob/app")
    await process.blobs.delete("bob/app", sha256(b"a" * 1000))
    await process.push(b"d" * 1000, "bob/app")
    with pytest.raises(QuotaExceeded):
        await process.push(b"e", "bob/app")
    await asyncio.sleep(0.01)
    await full_round(Collector(process.db, process.storage, 0, 0, LONG))
    assert (await used(process)).bytes == 0
    await process.push(b"e" * 3000, "bob/app")


@asynchronous
async def test_mounting_counts_as_pushing(process):
    await process.people("bob")
    await allow(process, bytes=3000)
    await process.push(b"x" * 3001, "elsewhere/app")
    with pytest.raises(QuotaExceeded):
        await process.blobs.mount("bob/app", sha256(b"x" * 3001), "elsewhere/app")
    await process.push(b"y" * 3000, "elsewhere/app")
    assert await process.blobs.mount("bob/app", sha256(b"y" * 3000), "elsewhere/app")
    assert await process.blobs.mount("bob/app", sha256(b"y" * 3000), "elsewhere/app")


@asynchronous
async def test_repositories_that_hold_something_count(process):
    await process.people("bob")
    await allow(process, repositories=2)
    await process.push(b"one", "bob/one")
    await process.put(index(), repository="bob/two")
    for push in (
        process.push(b"three", "bob/three"),
        process.put(index(), repository="bob/three"),
        process.blobs.mount("bob/three", sha256(b"one"), "bob/one"),
    ):
        with pytest.raises(QuotaExceeded, match="2 repositories: 2 are used"):
            await push
    with pytest.raises(QuotaExceeded):
        await process.uploads.start("bob/three")
    await process.push(b"more", "bob/one")
    await process.blobs.delete("bob/one", sha256(b"one"))
    await process.blobs.delete("bob/one", sha256(b"more"))
    await process.push(b"three", "bob/three")
    # The first one is empty now, so to fill it again is one more.
    with pytest.raises(QuotaExceeded):
        await process.push(b"one", "bob/one")
    assert (await used(process)).repositories == 2


@asynchronous
async def test_the_settings_count_where_nothing_else_was_said(world):
    process = limited(world.process(), Quotas(1, 3000))
    await process.people("bob", "ann")
    await process.push(b"x" * 3000, "bob/app")
    for data, repository in ((b"y", "bob/app"), (b"z" * 3001, "ann/app")):
        with pytest.raises(QuotaExceeded):
            await process.push(data, repository)
    # What nobody holds, and what is the administrators', is not limited.
    for repository in ("free/app", "app", "library/app"):
        await process.push(b"x" * 3001, repository)
    await allow(process, bytes=UNLIMITED, repositories=2)
    await process.push(b"y" * 9000, "bob/app")
    assert await used(process) == Usage("bob", 2, 1, None, 12000)
    await process.quotas.set(OPERATOR, "user", "bob", bytes=None)
    with pytest.raises(QuotaExceeded):
        await process.push(b"z", "bob/app")


@asynchronous
async def test_who_is_deleted_leaves_no_quota(process):
    await process.people("bob")
    await allow(process, bytes=1)
    await process.accounts.delete(OPERATOR, "bob")
    await process.push(b"more than that", "bob/app")
    with pytest.raises(AccountUnknown):
        await used(process)
    assert await process.count("SELECT COUNT(*) FROM quotas") == 0


@asynchronous
async def test_quotas_are_of_those_who_are_there(process):
    await process.people("bob")
    await process.organizations.add(OPERATOR, "acme", "bob")
    for kind, name in (("organization", "bob"), ("user", "acme"), ("user", "nobody"), ("organization", "library")):
        with pytest.raises(AccountUnknown):
            await process.quotas.set(OPERATOR, kind, name, bytes=1)
    for wrong in (-2, 2**53 + 1):
        with pytest.raises(FieldInvalid):
            await process.quotas.set(OPERATOR, "user", "bob", bytes=wrong)
    await process.quotas.set(OPERATOR, "organization", "acme", bytes=0)
    with pytest.raises(QuotaExceeded):
        await process.push(b"x", "acme/app")
    assert (await process.audit.list(action="org.quota"))[0].object == "org acme"


async def pushers(processes: list, count: int) -> int:
    """How many of so many pushes at once, each of PIECE bytes to a repository of its own, were taken."""

    async def one(number: int) -> bool:
        try:
            await processes[number % len(processes)].push(b"%04d" % number * (PIECE // 4), f"bob/app{number}")
        except QuotaExceeded:
            return False
        return True

    return sum(await asyncio.gather(*(one(number) for number in range(count))))


@pytest.mark.parametrize("most", [{"bytes": 5 * PIECE + 1}, {"repositories": 5}], ids=["bytes", "repositories"])
@asynchronous
async def test_pushes_at_once_fill_the_quota_and_no_more(world, process, most):
    processes = [process, *(limited(world.process()) for _ in range(2))]
    await process.people("bob")
    await allow(process, **most)
    assert await pushers(processes, PARALLEL) == 5
    assert (await used(process)).bytes == 5 * PIECE and (await used(process)).repositories == 5


class Counted:
    """A Database that counts what is scanned at length."""

    def __init__(self, db):
        self._db, self.long_scans = db, 0

    def __getattr__(self, name: str):
        return getattr(self._db, name)

    def scan(self, fn, long: bool = False):
        self.long_scans += long
        return self._db.scan(fn, long)


@asynchronous
async def test_who_goes_on_asking_at_the_limit_is_not_counted_each_time(world):
    process = world.process()
    process.db = Counted(process.db)
    limited(process)
    await process.people("bob")
    await allow(process, bytes=3000, repositories=2)
    await process.push(b"x" * 2990, "bob/app")
    await process.push(b"y" * 10, "bob/other")
    before = process.db.long_scans
    for number in range(30):
        with pytest.raises(QuotaExceeded):
            await process.push(b"%04d" % number, "bob/app")
        with pytest.raises(QuotaExceeded):
            await process.put(index(annotations={"number": f"{number}"}), repository="bob/app")
        with pytest.raises(QuotaExceeded):
            await process.uploads.start(f"bob/{number}")
    assert process.db.long_scans <= before + 2


@asynchronous
async def test_open_uploads_count_until_they_end(process):
    await process.people("bob")
    await allow(process, bytes=3000)
    first = await process.begun(b"a" * 2000, repository="bob/app")
    with pytest.raises(QuotaExceeded):
        await process.begun(b"b" * 1001, repository="bob/other")
    second = await process.begun(b"b" * 1000, repository="bob/other")
    with pytest.raises(QuotaExceeded):
        await process.push(b"c", "bob/app")
    await process.uploads.cancel(second)
    assert await process.finish(first, sha256(b"a" * 2000)) == 2000
    await process.push(b"b" * 1000, "bob/app")
    assert await sums(process) == (3000, 0, 1)


async def sums(process) -> tuple[int, int, int]:
    """What the row of bob remembers."""
    return await process.db.read(
        lambda tx: tx.one("SELECT used_bytes, garbage_bytes, used_repositories FROM quotas WHERE namespace = 'bob'")
    )


async def truth(process) -> tuple[int, int, int]:
    use, open = await used(process), await process.count("SELECT COALESCE(SUM(charged), 0) FROM uploads")
    garbage = await process.count("SELECT COALESCE(SUM(size), 0) FROM garbage WHERE namespace = 'bob'")
    return use.bytes + int(open), int(garbage), use.repositories


async def any_step(process, chance: random.Random) -> None:
    """One of all that changes what bob holds."""
    repository, data = f"bob/{chance.randrange(3)}", bytes([chance.randrange(8)]) * 1000
    sessions = await process.db.read(lambda tx: tx.all("SELECT id, repository, size FROM uploads"))
    match chance.randrange(9):
        case 0 | 1 | 2:
            await process.push(data, repository)
        case 3:
            await process.blobs.mount(repository, sha256(data), f"bob/{chance.randrange(3)}")
        case 4:
            await process.blobs.delete(repository, sha256(data))
        case 5:
            await process.put(image(data, annotations={"any": f"{chance.random()}"}), "v1", repository=repository)
        case 6:
            tagged = await process.db.read(
                lambda tx: tx.one(
                    "SELECT manifests.digest, name FROM manifests JOIN repositories ON id = repository_id LIMIT 1"
                )
            )
            if tagged:
                await process.manifests.delete(tagged[1], tagged[0])
        case 7:
            await process.begun(data[: chance.randrange(1, 1000)], repository=repository)
        case 8 if sessions:
            id, repository, size = chance.choice(sessions)
            await process.uploads.cancel(await process.uploads.find(repository, id))


@pytest.mark.parametrize("seed", range(3))
@asynchronous
async def test_the_sums_are_never_less_than_what_is_there_and_exact_when_counted(world, seed):
    """Two processes by turns, with the collector; in the end at once."""
    chance, processes = (
        random.Random(seed),
        [limited(world.process(lease=0, grace=0, expiry=0 if seed == 2 else LONG)) for _ in range(2)],
    )
    await processes[0].people("bob")
    await allow(processes[0], bytes=9000, repositories=3)
    await processes[0].push(b"first", "bob/0")
    for number in range(120):
        with contextlib.suppress(RegistryError):
            await any_step(processes[number % 2], chance)
        if number % 20 == 19:
            await processes[0].collect()
        (bytes, garbage, repositories), there = await sums(processes[0]), await truth(processes[0])
        assert bytes >= there[0] and garbage == there[1] and repositories >= there[2], number
        assert there[0] <= 9000 and there[2] <= 3
    await gathered(*(any_step(processes[number % 2], chance) for number in range(24)))
    assert (await sums(processes[0]))[0] >= (await truth(processes[0]))[0]
    await Counting().anew(processes[0].db, "bob")
    assert await sums(processes[0]) == await truth(processes[0])


@asynchronous
async def test_what_is_pushed_while_it_is_counted_stays_in_the_sums(world):
    process = limited(world.process())
    await process.people("bob")
    await allow(process, bytes=3000)
    await process.push(b"x" * 1000, "bob/app")
    await process.blobs.mount("bob/other", sha256(b"x" * 1000), "bob/app")
    between = Between(process.db, "write", lambda: process.push(b"y" * 1500, "bob/app"))
    await Counting().anew(between, "bob")
    assert between.acted and await sums(process) == (2500, 0, 2) == await truth(process)


@asynchronous
async def test_what_is_counted_while_a_repository_goes_is_taken_off_once(process):
    """Its blobs are in the sums until they become garbage, however the count falls."""
    await process.people("bob")
    await allow(process, bytes=3000)
    await process.push(b"a" * 1000, "bob/kept")
    await process.push(b"b" * 1000, "bob/app")
    await process.deletion.delete(OPERATOR, "bob/app")
    await Counting().anew(process.db, "bob")
    assert (await sums(process))[:2] == (2000, 0)
    await process.deletion.purge()
    assert (await sums(process))[:2] == (1000, 1000)
    await Counting().anew(process.db, "bob")
    assert (await sums(process))[:2] == (1000, 1000)


def test_a_count_looks_through_no_table_that_others_fill(tmp_path):
    """However much other namespaces hold, SQLite finds what this one has by indexes."""
    path = tmp_path / "registry.db"
    migrate.migrate(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        parameters = [""] * quota_sums._COUNT.count("?")
        plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {quota_sums._COUNT}", parameters)]
    scanned = {step for step in plan if step.startswith("SCAN ")}
    assert scanned and not any(
        table in step
        for step in scanned
        for table in ("blobs", "manifests", "repositories", "uploads", "garbage")
        if "deleted_" not in step
    )
