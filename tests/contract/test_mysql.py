"""What only a database server does: answers get lost, connections die, transactions collide, the server refuses or
stops.
"""

import asyncio
import contextlib
import socket
import threading
import time

import pytest

from dockboard_registry.config import database_place
from dockboard_registry.db import DatabaseBusy, DatabaseFailed, DatabaseFull, OutcomeUnknown
from dockboard_registry.db.mysql.database import LOGIN_SECONDS, MySQLDatabase, MySQLTx, connect, placeholders, transact
from dockboard_registry.db.mysql.migrate import migrate
from dockboard_registry.db.mysql.server import warnings
from dockboard_registry.errors import StartError
from tests.contract.aio import asynchronous, gathered
from tests.support import mariadb
from tests.support.mysql_proxy import MySQLProxy
from tests.support.server import wait_for

INSERT = "INSERT INTO settings (name, value) VALUES (?, ?)"
ALL = "SELECT name FROM settings ORDER BY name"
# From the end of a fault to the first success.
RECOVERY_SECONDS = 5


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of this module's own, which it may do harm to."""
    with mariadb.MariaDB(tmp_path_factory.mktemp("mariadb")) as started:
        yield started


@pytest.fixture
def name(server):
    made = server.make()
    migrate(database_place(server.url(made)))
    yield made
    server.execute(f"DROP DATABASE `{made}`")


@pytest.fixture
def proxy(server):
    with MySQLProxy(server.port) as made:
        yield made


@pytest.fixture
def database(server, name, proxy):
    """A database whose connections go through the proxy."""
    opened = MySQLDatabase(database_place(server.url(name, proxy.port)))
    yield opened
    opened.close()


async def names(database) -> list[str]:
    return [row[0] for row in await database.read(lambda tx: tx.all(ALL))]


def putting(name: str):
    return lambda tx: tx.run(INSERT, name, "x")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("a = ? AND b = ?", "a = %s AND b = %s"),
        ("a % 2 = ?", "a %% 2 = %s"),
        ("a LIKE 'what?%' AND b = ?", "a LIKE 'what?%%' AND b = %s"),
        ("a = 'it''s ?' AND b = ?", "a = 'it''s ?' AND b = %s"),
    ],
)
def test_placeholders(sql, expected):
    assert placeholders(sql) == expected


@asynchronous
async def test_percent_and_quotes_in_sql_and_values(database):
    await database.write(lambda tx: tx.run(INSERT, "50 % of 'what?' \\ \" ? %s", "x"))
    found = await database.read(
        lambda tx: tx.one("SELECT name FROM settings WHERE value <> 'what? 5%' AND value = ? AND 7 % 4 = 3", "x")
    )
    assert found == ("50 % of 'what?' \\ \" ? %s",)


@asynchronous
async def test_a_session_is_strict_and_reads_what_is_committed(database):
    with pytest.raises(DatabaseFailed):
        await database.write(lambda tx: tx.run(INSERT, "x" * 65, "longer than the column"))
    row = await database.read(lambda tx: tx.one("SELECT @@tx_isolation, @@collation_connection, @@autocommit"))
    assert row == ("READ-COMMITTED", "utf8mb4_bin", 1)


@pytest.mark.parametrize("repeatable", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
@asynchronous
async def test_a_commit_whose_answer_is_lost(database, proxy, when, repeatable):
    """Not run again unless that is harmless, and never reported as done or undone."""
    await database.write(putting("first"))
    proxy.cut(b"COMMIT", when)
    doubts = []
    once_more = database.write(
        lambda tx: (doubts.append(tx.doubtful), tx.insert(INSERT, "second", "x"))[1], repeatable=repeatable
    )
    if repeatable:
        assert await once_more is (when == "before")
        assert doubts == [False, True]
        assert await names(database) == ["first", "second"]
    else:
        with pytest.raises(OutcomeUnknown):
            await once_more
        assert await names(database) == (["first"] if when == "before" else ["first", "second"])
    assert proxy.cuts == 1
    await database.write(putting("third"))


@pytest.mark.parametrize("number", [1213, 1205, 3101])
@asynchronous
async def test_a_collision_that_the_server_finds_at_commit(database, proxy, number):
    """Galera certifies a transaction when it commits: it is undone there, and run again here."""
    runs = []
    proxy.cut(b"COMMIT", number)
    await database.write(lambda tx: (runs.append(tx.doubtful), tx.run(INSERT, "a", "x")))
    assert runs == [False, False] and proxy.cuts == 1
    assert await names(database) == ["a"]


@pytest.mark.parametrize("statement", [b"INSERT", b"UPDATE"])
@pytest.mark.parametrize("when", ["before", "after"])
@asynchronous
async def test_a_connection_that_is_cut_before_commit(database, proxy, statement, when):
    """The work is done once, by running it again."""
    runs = []

    def change(tx):
        runs.append(1)
        tx.run(INSERT, "a", "x")
        return tx.run("UPDATE settings SET value = 'y' WHERE name = 'a'")

    await database.write(putting("before"))
    proxy.cut(statement, when)
    assert await database.write(change) == 1
    assert len(runs) == 2 and proxy.cuts == 1
    assert await names(database) == ["a", "before"]


@pytest.mark.parametrize("way", ["read", "scan"])
@pytest.mark.parametrize("when", ["before", "after"])
@asynchronous
async def test_a_question_whose_connection_is_cut_is_asked_again(database, proxy, way, when):
    await database.write(putting("a"))
    await getattr(database, way)(lambda tx: tx.all(ALL))
    proxy.cut(ALL.encode(), when)
    assert await getattr(database, way)(lambda tx: tx.all(ALL)) == [("a",)]
    assert proxy.cuts == 1


@asynchronous
async def test_connections_that_the_server_closed_while_idle(database, server):
    await asyncio.gather(*(database.write(putting(f"{number}")) for number in range(20)))
    for (thread,) in server.execute("SELECT id FROM information_schema.processlist WHERE user = 'docker'"):
        server.execute(f"KILL {thread}")
    await asyncio.gather(*(database.write(putting(f"again {number}")) for number in range(20)), names(database))
    assert len(await names(database)) == 40


@asynchronous
async def test_transactions_that_collide_are_run_again(database):
    """Two rows changed in both orders at once: InnoDB ends one of each pair with 1213."""
    await database.write(lambda tx: [tx.run(INSERT, name, "0") for name in "ab"])
    runs = []

    def change(first: str, second: str):
        def work(tx):
            runs.append(1)
            for name in (first, second):
                (value,) = tx.lock("SELECT value FROM settings WHERE name = ?", name)
                time.sleep(0.01)
                tx.run("UPDATE settings SET value = ? WHERE name = ?", str(int(value) + 1), name)

        return work

    await asyncio.gather(*(database.write(change(*("ab" if number % 2 else "ba"))) for number in range(40)))
    assert await database.read(lambda tx: tx.all("SELECT value FROM settings")) == [("40",), ("40",)]
    assert len(runs) > 40, "nothing collided"


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (1114, DatabaseFull),
        (1021, DatabaseFull),
        (3, DatabaseFull),
        (1205, DatabaseBusy),
        (1213, DatabaseBusy),
        (1290, DatabaseFailed),
        (1836, DatabaseFailed),
    ],
)
@asynchronous
async def test_errors_of_the_server_by_number(database, number, error):
    begun = time.monotonic()
    with pytest.raises(error) as raised:
        await database.write(
            lambda tx: (tx.run(INSERT, "a", "x"), tx.run(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}"))
        )
    assert type(raised.value) is error
    assert time.monotonic() - begun < 10
    assert await names(database) == []


@asynchronous
async def test_reads_of_a_server_that_is_gone_wait_as_long_together_as_one_alone(server, name):
    """A crowd of requests hears of it as soon as the first of them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()[1]
    gone = MySQLDatabase(database_place(server.url(name, nobody)))
    try:
        begun = time.monotonic()
        outcomes = await gathered(*(names(gone) for _ in range(20)))
        assert all(isinstance(outcome, (DatabaseFailed, DatabaseBusy)) for outcome in outcomes), outcomes
        # One alone takes 8 seconds; one after the other took 18.
        assert time.monotonic() - begun < 14
    finally:
        gone.close()


@asynchronous
async def test_a_server_that_became_read_only(database, server):
    await database.write(putting("before"))
    server.execute("SET GLOBAL read_only = ON")
    try:
        with pytest.raises(DatabaseFailed):
            await database.write(putting("refused"))
        assert await names(database) == ["before"]
    finally:
        server.execute("SET GLOBAL read_only = OFF")
    await database.write(putting("after"))
    assert await names(database) == ["after", "before"]


@asynchronous
async def test_a_server_without_connections_left(database, server, name):
    """max_connections is reached by others: busy, and all well as soon as they go."""
    server.execute("SET GLOBAL max_connections = 10")
    others = []
    try:
        with contextlib.suppress(Exception):
            while True:
                others.append(
                    mariadb.pymysql.connect(
                        host="127.0.0.1",
                        port=server.port,
                        user=mariadb.USER,
                        password=mariadb.PASSWORD,
                        ssl_disabled=True,
                    )
                )
        assert others
        with pytest.raises(DatabaseBusy):
            await database.read(lambda tx: tx.all(ALL))
        waiting = database.write(putting("waited"))
        await asyncio.sleep(1)
        for other in others:
            other.close()
        await waiting
    finally:
        server.execute("SET GLOBAL max_connections = 151")
    assert await names(database) == ["waited"]


async def recovered(database) -> float:
    """Seconds until reads, scans and writes all work."""
    begun = time.monotonic()
    while True:
        outcomes = await gathered(
            names(database),
            *(waited(way(lambda tx: tx.one(ALL))) for way in (database.scan, database.write) for _ in range(6)),
        )
        if not any(isinstance(outcome, Exception) for outcome in outcomes):
            return time.monotonic() - begun
        assert time.monotonic() - begun < 60, outcomes
        await asyncio.sleep(0.05)


async def waited(future):
    return await future


@pytest.fixture
def silent():
    """The port of something that takes connections and says nothing, as a stopped server does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "attempt", [lambda url: connect(url, 86400), migrate, lambda url: transact(url, lambda tx: tx.one("SELECT 1"))]
)
def test_a_server_that_is_silent_at_the_login_is_given_up(server, silent, attempt):
    begun = time.monotonic()
    with pytest.raises(
        (mariadb.pymysql.OperationalError, DatabaseFailed, StartError), match="did not finish the login"
    ):
        attempt(database_place(server.url("registry", silent)))
    assert time.monotonic() - begun < 15


@pytest.mark.slow
@asynchronous
async def test_work_for_a_server_that_is_silent_at_the_login_fails_soon(server, silent):
    """All of it, what waits for a connection too."""
    database = MySQLDatabase(database_place(server.url("registry", silent)))
    begun = time.monotonic()
    outcomes = await gathered(
        *(names(database) for _ in range(10)), *(waited(database.write(putting(f"{number}"))) for number in range(10))
    )
    assert all(isinstance(outcome, DatabaseBusy | DatabaseFailed) for outcome in outcomes), outcomes
    assert time.monotonic() - begun < 15
    await asyncio.to_thread(database.close)


@pytest.mark.slow
def test_an_answer_may_take_longer_than_the_login(server, name):
    connection = connect(database_place(server.url(name)))
    try:
        assert MySQLTx(connection).one("SELECT SLEEP(?)", LOGIN_SECONDS + 1) == (0,)
    finally:
        connection.close()


@pytest.mark.slow
@asynchronous
async def test_a_server_that_is_killed_and_started_again(database, server):
    """Nothing that was acknowledged is lost, nothing else fails than in words, and the pool is back at once."""
    done, end = [], asyncio.Event()

    async def write(worker: int) -> None:
        number = 0
        while not end.is_set():
            number += 1
            with contextlib.suppress(DatabaseBusy, DatabaseFailed):
                await database.write(putting(f"{worker}/{number}"))
                done.append(f"{worker}/{number}")

    workers = [asyncio.ensure_future(write(worker)) for worker in range(4)]
    for _ in range(2):
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.start)
        assert await recovered(database) < RECOVERY_SECONDS
    end.set()
    await asyncio.gather(*workers)
    assert done and set(done) <= set(await names(database))


@pytest.mark.slow
def test_a_server_that_is_stopped_for_a_while(server, name):
    """SIGSTOP: connections stay open and nobody answers.

    Every job ends within its limits, the loop turns, no thread stays stuck.
    """

    async def scenario(database) -> None:
        await asyncio.gather(*(database.write(putting(f"{number}")) for number in range(8)), names(database))
        server.pause()
        try:
            begun = time.monotonic()
            jobs = [waited(database.write(putting(f"paused {number}"))) for number in range(30)]
            outcomes = await gathered(*jobs, *(names(database) for _ in range(30)))
            assert all(isinstance(outcome, DatabaseBusy | DatabaseFailed) for outcome in outcomes)
            assert time.monotonic() - begun < 40
        finally:
            server.go_on()
        assert await recovered(database) < RECOVERY_SECONDS

    database = MySQLDatabase(database_place(server.url(name)))
    asyncio.run(scenario(database))
    database.close()
    wait_for(lambda: mariadb.connections(server) == 0, 10, "the end of all connections")
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("db-")] == []


@asynchronous
async def test_no_more_connections_than_were_allowed(server, name):
    database = MySQLDatabase(database_place(server.url(name)), connections=4)
    work = lambda tx: tx.one("SELECT SLEEP(0.02)")
    await asyncio.gather(
        *(waited(way(work)) for way in (database.write, database.scan) for _ in range(30)),
        *(names(database) for _ in range(30)),
    )
    assert mariadb.connections(server) == 4
    await asyncio.to_thread(database.close)
    wait_for(lambda: mariadb.connections(server) == 0, 5, "the end of all connections")


def test_settings_that_endanger_what_is_stored_are_named(server, name):
    found = " ".join(warnings(database_place(server.url(name))))
    assert "innodb_flush_log_at_trx_commit" in found
    server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    server.execute("SET GLOBAL max_allowed_packet = 1048576")
    try:
        (warning,) = warnings(database_place(server.url(name)))
        assert "max_allowed_packet" in warning
    finally:
        server.execute("SET GLOBAL max_allowed_packet = 16777216")
        server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
