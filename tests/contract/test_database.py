"""The contract of dockboard_registry/db/__init__.py, over every driver."""

import asyncio
import contextlib
import threading
import time

import pytest

from dockboard_registry.clients import Client, current_client
from dockboard_registry.db import DatabaseBusy, DatabaseFailed, DatabaseFull
from tests.contract.aio import asynchronous, gathered, turns_during
from tests.contract.drivers import child

INSERT = "INSERT INTO settings (name, value) VALUES (?, ?)"
ALL = "SELECT name, value FROM settings ORDER BY name"


class Refused(Exception):
    """A job's own failure."""


async def settings(database) -> dict[str, str]:
    return dict(await database.read(lambda tx: tx.all(ALL)))


def putting(name: str, value: str = "x"):
    return lambda tx: tx.run(INSERT, name, value)


@asynchronous
async def test_one_all_and_run(database):
    assert await database.write(lambda tx: [tx.run(INSERT, name, "x") for name in "cab"]) == [1, 1, 1]
    assert await database.read(lambda tx: tx.one("SELECT name FROM settings WHERE name = ?", "b")) == ("b",)
    assert await database.read(lambda tx: tx.one("SELECT name FROM settings WHERE name = ?", "d")) is None
    assert await database.read(lambda tx: tx.all(ALL)) == [("a", "x"), ("b", "x"), ("c", "x")]
    assert await database.scan(lambda tx: tx.all("SELECT name FROM settings WHERE name > 'c'")) == []


@asynchronous
async def test_run_counts_the_rows_that_matched_changed_or_not(database):
    await database.write(lambda tx: [tx.run(INSERT, name, "x") for name in "abc"])
    update = "UPDATE settings SET value = ? WHERE name >= ?"
    assert await database.write(lambda tx: tx.run(update, "x", "b")) == 2
    assert await database.write(lambda tx: tx.run(update, "y", "b")) == 2
    assert await database.write(lambda tx: tx.run(update, "y", "d")) == 0
    assert await database.write(lambda tx: tx.run("DELETE FROM settings WHERE name <> ?", "a")) == 2


@asynchronous
async def test_values_come_back_as_they_went_in(database):
    body = bytes(range(256)) * 5000
    row = (2**62, "sha256:" + "0" * 64, "application/x", None, None, 0, 2**53 + 1, '{"ä": "\U0001f4a9"}', body)
    columns = "repository_id, digest, media_type, artifact_type, subject, size, pushed_at, annotations, body"
    await database.write(
        lambda tx: tx.run(f"INSERT INTO manifests ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)
    )
    assert await database.read(lambda tx: tx.one(f"SELECT {columns} FROM manifests")) == row


@asynchronous
async def test_text_is_compared_byte_by_byte(database):
    """Paging and uniqueness rest on it: no collation may fold case or accents.

    (Spaces at the end count in SQLite only; no key has any.)
    """
    names = ["B", "a", "b", "é", "e", "A", "_", "a-b", "a.b", "a/b", "aa"]
    assert all([await database.write(lambda tx: tx.insert(INSERT, name, "x")) for name in names])
    assert list(await settings(database)) == sorted(names, key=str.encode)


@asynchronous
async def test_insert_tells_whether_the_row_was_new(database):
    assert await database.write(lambda tx: tx.insert(INSERT, "a", "first")) is True
    assert await database.write(lambda tx: tx.insert(INSERT, "a", "second")) is False
    assert await settings(database) == {"a": "first"}


@asynchronous
async def test_insert_knows_a_unique_column_too(database):
    sql = "INSERT INTO repositories (id, name, created_at) VALUES (?, ?, 0)"
    assert await database.write(
        lambda tx: [tx.insert(sql, 1, "a"), tx.insert(sql, 2, "a"), tx.insert(sql, 1, "b"), tx.insert(sql, 2, "b")]
    ) == [
        True,
        False,
        False,
        True,
    ]


@asynchronous
async def test_a_transaction_goes_on_after_a_row_that_was_there(database):
    def change(tx):
        tx.insert(INSERT, "before", "x")
        tx.insert(INSERT, "before", "y")
        return tx.insert(INSERT, "after", "x")

    assert await database.write(change)
    assert await settings(database) == {"before": "x", "after": "x"}


@asynchronous
async def test_insert_does_not_hide_other_broken_constraints(database):
    with pytest.raises(DatabaseFailed):
        await database.write(lambda tx: tx.insert(INSERT, "a", None))
    with pytest.raises(DatabaseFailed):
        await database.write(lambda tx: tx.insert("INSERT INTO repositories (id) VALUES (1)"))
    assert await settings(database) == {}


@asynchronous
async def test_wrong_sql_fails_and_the_database_goes_on(database):
    for way in (database.read, database.scan, database.write):
        with pytest.raises(DatabaseFailed):
            await way(lambda tx: tx.all("SELECT nothing FROM nowhere"))
    await database.write(putting("a"))
    assert await settings(database) == {"a": "x"}


@asynchronous
async def test_a_write_is_all_or_nothing(database):
    def change(tx):
        tx.run(INSERT, "a", "x")
        tx.insert(INSERT, "b", "x")
        raise Refused("in the middle")

    with pytest.raises(Refused, match="in the middle"):
        await database.write(change)
    assert await settings(database) == {}


@asynchronous
async def test_a_job_sees_its_own_changes_and_those_before(database):
    await database.write(putting("a"))
    assert await database.write(lambda tx: (tx.run(INSERT, "b", "y"), tx.all(ALL))[1]) == [("a", "x"), ("b", "y")]


@asynchronous
async def test_what_a_read_or_scan_raises_comes_through(database):
    def refuse(tx):
        tx.one(ALL)
        raise Refused("no")

    for way in (database.read, database.scan):
        with pytest.raises(Refused):
            await way(refuse)
        assert await way(lambda tx: tx.all(ALL)) == []


@asynchronous
async def test_a_write_that_returned_is_read_at_once(database):
    for number in range(50):
        await database.write(putting(f"{number:02}"), durable=number % 2 == 0)
        assert len(await settings(database)) == number + 1
        assert len(await database.scan(lambda tx: tx.all(ALL))) == number + 1


@asynchronous
async def test_jobs_of_one_batch_do_not_share_their_failures(database):
    def job(number: int):
        def change(tx):
            tx.run(INSERT, f"{number:03}", "x")
            if number % 3 == 0:
                raise Refused(number)
            return number

        return change

    outcomes = await gathered(
        *map(awaited, [database.write(job(number), durable=number % 2 == 0) for number in range(300)])
    )
    for number, outcome in enumerate(outcomes):
        assert outcome == number if number % 3 else isinstance(outcome, Refused) and outcome.args == (number,)
    assert list(await settings(database)) == [f"{number:03}" for number in range(300) if number % 3]


async def awaited(future):
    return await future


@asynchronous
async def test_a_broken_constraint_is_the_failure_of_one_job_only(database):
    """Jobs that wait together come from different requests; one request's rows must not fail another's."""
    gate = threading.Event()
    first = database.write(lambda tx: gate.wait(5))
    jobs = [
        database.write(lambda tx, number=number: tx.run(INSERT, f"{number}", None if number == 5 else "x"))
        for number in range(10)
    ]
    gate.set()
    outcomes = await gathered(*map(awaited, [*jobs, first]))
    failed = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Exception)]
    assert failed == [5], f"of eleven jobs of one batch these failed: {failed}"


@asynchronous
async def test_a_writer_that_nobody_waits_for_any_more_harms_nobody(database):
    gate = threading.Event()
    first = database.write(lambda tx: gate.wait(5))
    second, third = database.write(putting("second")), database.write(putting("third"))
    second.cancel()
    gate.set()
    await asyncio.gather(first, third)
    assert "third" in await settings(database)


@asynchronous
async def test_a_scan_has_one_snapshot_while_writes_go_on(database):
    await database.write(putting("0"))
    begun, gate = threading.Event(), threading.Event()

    def look(tx):
        before = tx.all(ALL)
        begun.set()
        assert gate.wait(20)
        return before, tx.all(ALL)

    scan = asyncio.ensure_future(awaited(database.scan(look)))
    await asyncio.to_thread(begun.wait, 20)
    for number in range(1, 30):
        await database.write(putting(str(number)))
    assert len(await settings(database)) == 30
    gate.set()
    before, after = await scan
    assert before == after == [("0", "x")]
    assert len(await database.scan(lambda tx: tx.all(ALL))) == 30


@asynchronous
async def test_the_loop_turns_while_writes_and_scans_are_slow(database):
    async def work() -> None:
        await asyncio.gather(
            *(awaited(database.write(lambda tx: (time.sleep(0.1), tx.one(ALL)))) for _ in range(3)),
            *(awaited(database.scan(lambda tx: (time.sleep(0.1), tx.one(ALL)))) for _ in range(3)),
        )

    assert await turns_during(work()) >= 10


@asynchronous
async def test_reads_go_on_during_a_slow_write(database):
    gate = threading.Event()
    slow = database.write(lambda tx: (tx.run(INSERT, "slow", "x"), gate.wait(20)))
    await asyncio.sleep(0.05)
    begun = time.perf_counter()
    for _ in range(20):
        assert await settings(database) == {}
        assert await database.scan(lambda tx: tx.all(ALL)) == []
    assert time.perf_counter() - begun < 2
    gate.set()
    await slow
    assert await settings(database) == {"slow": "x"}


@pytest.mark.parametrize("long", [False, True])
@asynchronous
async def test_who_asks_for_many_lists_waits_for_their_own(database, long):
    """One client wants 60 lists over three connections; then another wants one, and then a third."""
    ended: list[str] = []

    async def ask(owner: str, connection: int) -> None:
        current_client.set(Client(owner, connection))
        await database.scan(lambda tx: (time.sleep(0.01), tx.all(ALL)), long=long)
        ended.append(owner)

    asked = [asyncio.create_task(ask("greedy", number % 3)) for number in range(60)]
    await asyncio.sleep(0.05)
    asked += [asyncio.create_task(ask(other, 9)) for other in ("second", "third")]
    await asyncio.gather(*asked)
    # Two lists of the first may be running, and a few more may have ended meanwhile.
    assert max(ended.index("second"), ended.index("third")) < 25, ended
    assert len(ended) == 62


def test_closing_waits_for_the_writes_that_were_asked_for(database_driver):
    database = database_driver.open()

    async def ask() -> None:
        database.write(lambda tx: time.sleep(0.2))
        for number in range(200):
            database.write(putting(f"{number:03}"))

    asyncio.run(ask())
    database.close()
    with contextlib.closing(database_driver.open()) as again:
        assert len(asyncio.run(settings(again))) == 200


@asynchronous
async def test_another_process_sees_a_write_at_once_durable_or_not(database, database_driver):
    with child(database_driver, "values") as other:
        assert other.answer() == "ready"
        expected = []
        for number in range(20):
            name = f"{number:02}"
            await database.write(putting(name), durable=number % 2 == 0)
            expected.append([name, "x"])
            other.go_on()
            assert other.answer() == expected


@asynchronous
async def test_writers_in_several_processes_lose_nothing(database, database_driver):
    times = 120
    await database.write(putting("shared", "0"))
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(child(database_driver, "count_up", name, times)) for name in "abc"]
        assert [other.answer() for other in others] == ["ready"] * 3
        for other in others:
            other.go_on()
        for number in range(times):
            await database.write(
                lambda tx: tx.run("UPDATE settings SET value = CAST(value AS SIGNED INTEGER) + 1 WHERE name = 'shared'")
            )
        assert [await asyncio.to_thread(other.answer) for other in others] == [times] * 3
        assert [await asyncio.to_thread(other.end) for other in others] == [0] * 3
    found = await settings(database)
    assert found["shared"] == str(4 * times)
    assert len(found) == 1 + 3 * times


@asynchronous
async def test_of_processes_that_insert_the_same_rows_each_row_has_one_winner(database, database_driver):
    names = [f"{number:03}" for number in range(100)]
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(child(database_driver, "insert_same", names)) for _ in range(3)]
        assert [other.answer() for other in others] == ["ready"] * 3
        for other in others:
            other.go_on()
        assert sum([await asyncio.to_thread(other.answer) for other in others]) == len(names)
    assert list(await settings(database)) == names


@asynchronous
async def test_a_full_database_refuses_changes_and_nothing_else(database, database_driver):
    await database.write(putting("kept"))
    await database.write(database_driver.leave_no_room)

    def grow(tx):
        for number in range(500):
            tx.run(INSERT, f"large {number}", "x" * 200)

    with pytest.raises(DatabaseFull):
        await database.write(grow)
    assert await settings(database) == {"kept": "x"}
    assert await database.write(lambda tx: tx.run("UPDATE settings SET value = 'y' WHERE name = 'kept'")) == 1
    await database.write(database_driver.make_room)
    await database.write(grow)
    assert len(await settings(database)) == 501


@asynchronous
async def test_a_database_that_another_program_has_locked_is_busy_and_recovers(database, database_driver):
    await database.write(putting("before"))
    with child(database_driver, "lock") as other:
        assert await asyncio.to_thread(other.answer) == "locked"
        blocked = awaited(database.write(putting("blocked")))
        outcome, turns = await asyncio.gather(blocked, turns_during(seconds(2)), return_exceptions=True)
        assert isinstance(outcome, DatabaseBusy)
        assert turns >= 10
        assert await settings(database) == {"before": "x"}
        waiting = asyncio.ensure_future(awaited(database.write(putting("waited"))))
        await asyncio.sleep(0.1)
        other.go_on()
        assert await asyncio.to_thread(other.answer) == "unlocked"
        await waiting
    assert list(await settings(database)) == ["before", "waited"]


async def seconds(count: float) -> None:
    await asyncio.sleep(count)


@asynchronous
async def test_a_database_that_is_none_fails(database_driver):
    database_driver.corrupt()
    with pytest.raises(DatabaseFailed), contextlib.closing(database_driver.open()) as database:
        await database.read(lambda tx: tx.one(ALL))
