"""Reads in the event loop answer as PyMySQL answers, whatever the rows are, and leave to the threads what is not
theirs.
"""

import asyncio
import time

import pymysql
import pytest

from dockboard_registry.config import database_place
from dockboard_registry.db import DatabaseFailed
from dockboard_registry.db.mysql.database import MySQLDatabase, MySQLSession, _statement, connect
from dockboard_registry.db.mysql.migrate import migrate
from dockboard_registry.db.mysql.read import LoopReader, UseThread
from dockboard_registry.db.mysql.wire import Answer, Unreadable
from tests.contract.aio import asynchronous, gathered
from tests.support import mariadb
from tests.support.server import wait_for

_TABLE = (
    "CREATE TABLE kinds (id BIGINT NOT NULL PRIMARY KEY, word VARCHAR(255), bytes LONGBLOB, many LONGTEXT, flag"
    " TINYINT, small INT, big BIGINT)"
)
_INSERT = "INSERT INTO kinds (id, word, bytes, many, flag, small, big) VALUES (?, ?, ?, ?, ?, ?, ?)"
ROWS = [
    (1, "plain", b"\x00\xff\xfe'\\\n", "x" * 250, 1, 7, 2**62),
    (2, None, None, None, None, None, None),
    (3, "", b"", "", 0, 0, 0),
    (4, "äöü € 🐳", bytes(range(256)) * 300, "é" * 70_000, -1, -(2**31), -(2**63)),
    (5, "\ufb00\xff", b"\xfe" * 8, "x" * 251, 127, 2**31 - 1, 2**63 - 1),
]
ASKED = [
    ("SELECT id, word, bytes, many, flag, small, big FROM kinds ORDER BY id", ()),
    ("SELECT word FROM kinds WHERE id = ?", (4,)),
    ("SELECT word FROM kinds WHERE word = ? AND bytes = ?", ("plain", b"\x00\xff\xfe'\\\n")),
    ("SELECT 1 FROM kinds WHERE id = ?", (99,)),
    ("SELECT COUNT(*), SUM(small), MAX(big), COALESCE(MIN(id), 0), 1.5, 'a%b' FROM kinds", ()),
    ("SELECT bytes, many, bytes FROM kinds WHERE id = 4", ()),
]


@pytest.fixture(scope="module")
def url():
    server = mariadb.shared()
    made = database_place(server.url(server.make()))
    migrate(made)
    with connect(made) as connection:
        session = MySQLSession(made, writes=True)
        connection.cursor().execute(_TABLE)
        for row in ROWS:
            session.write(lambda tx, row=row: tx.run(_INSERT, *row), repeatable=False)
        session.close()
    return made


@pytest.fixture
def database(url):
    opened = MySQLDatabase(url)
    yield opened
    opened.close()


def reader_of(url, size: int = 1, seconds: float = 30) -> LoopReader:
    return LoopReader(size, seconds, _statement, lambda: asyncio.ensure_future(asyncio.to_thread(connect, url)))


async def connected(reader: LoopReader) -> LoopReader:
    """Once it has its connection."""
    while True:
        try:
            await reader.read(lambda tx: tx.one("SELECT 1"))
            return reader
        except UseThread:
            await asyncio.sleep(0.02)


@asynchronous
async def test_the_rows_are_those_of_pymysql(url):
    reader, session = await connected(reader_of(url)), MySQLSession(url)
    for sql, parameters in ASKED:
        expected = session.read(lambda tx: tx.all(sql, *parameters), time.monotonic())
        assert await reader.read(lambda tx: tx.all(sql, *parameters)) == expected
        assert await reader.read(lambda tx: tx.one(sql, *parameters)) == (expected[0] if expected else None)
    reader.close()
    session.close()


@asynchronous
async def test_an_answer_that_came_before_is_taken_for_what_it_says_now(url):
    """The same bytes are not read twice; other bytes are, and what a reader does with its rows is its own business."""
    reader, session = await connected(reader_of(url)), MySQLSession(url, writes=True)
    ask = lambda number: reader.read(lambda tx: tx.all("SELECT word, small FROM kinds WHERE id = ?", number))
    for word in ("once", "once", "twice", "once"):
        session.write(lambda tx, word=word: tx.run("UPDATE kinds SET word = ? WHERE id = 1", word), repeatable=True)
        for _ in range(2):
            rows = await ask(1)
            assert rows == [(word, 7)]
            rows.clear()
        assert await ask(2) == [(None, None)] and await ask(99) == []
    session.write(lambda tx: tx.run("UPDATE kinds SET word = 'plain' WHERE id = 1"), repeatable=True)
    reader.close()
    session.close()


def test_an_answer_may_come_in_any_pieces(url):
    with connect(url) as connection:
        connection._sock.sendall(
            b"\x45\0\0\0\x03" + b"SELECT id, word, small FROM kinds WHERE id < 4 ORDER BY id".ljust(0x44)
        )
        whole = connection._sock.recv(65536)
    for size in (1, 2, 3, 7, 50, len(whole)):
        answer = Answer()
        ended = [answer.feed(whole[at : at + size]) for at in range(0, len(whole), size)]
        assert ended[-1] and not any(ended[:-1])
        assert answer.rows == [(1, "plain", 7), (2, None, None), (3, "", 0)]


def test_a_farewell_is_no_answer():
    """MySQL ends an idle connection with an error of its own accord, packet number 0 (4031 since 8.0.24): a question
    then has none yet.
    """
    words = (
        b"\xff"
        + (4031).to_bytes(2, "little")
        + b"#HY000The client was disconnected by the server because of inactivity."
    )
    with pytest.raises(Unreadable):
        Answer().feed(len(words).to_bytes(3, "little") + b"\0" + words)
    with pytest.raises(pymysql.Error, match="inactivity"):
        Answer().feed(len(words).to_bytes(3, "little") + b"\1" + words)


@asynchronous
async def test_a_manifest_of_the_largest_size(database, url):
    body = bytes(range(256)) * (4 << 12)
    await database.write(lambda tx: tx.run("UPDATE kinds SET bytes = ? WHERE id = 3", body))
    try:
        reader = await connected(reader_of(url))
        assert await reader.read(lambda tx: tx.one("SELECT bytes FROM kinds WHERE id = 3")) == (body,)
        reader.close()
    finally:
        await database.write(lambda tx: tx.run("UPDATE kinds SET bytes = ? WHERE id = 3", b""))


@asynchronous
async def test_what_the_server_refuses(url, database):
    reader = await connected(reader_of(url))
    with pytest.raises(pymysql.Error, match="nothing_here"):
        await reader.read(lambda tx: tx.one("SELECT 1 FROM nothing_here"))
    reader.close()
    for _ in range(3):
        with pytest.raises(DatabaseFailed, match="nothing_here"):
            await database.read(lambda tx: tx.one("SELECT 1 FROM nothing_here"))
        assert await database.read(lambda tx: tx.one("SELECT 5")) == (5,)


@asynchronous
async def test_a_second_statement_is_left_to_the_threads(url, database):
    def two(tx) -> tuple:
        return tx.one("SELECT 1") + tx.one("SELECT 2")

    reader = await connected(reader_of(url))
    with pytest.raises(UseThread):
        await reader.read(two)
    reader.close()
    assert await database.read(two) == (1, 2)


@asynchronous
async def test_each_statement_gets_its_own_answer(url):
    """Many at once over two connections, a third of them abandoned while they wait or run."""
    reader = await connected(reader_of(url, size=2))
    tasks = [asyncio.ensure_future(reader.read(lambda tx, n=n: tx.one("SELECT ?, SLEEP(0.005)", n))) for n in range(90)]
    await asyncio.sleep(0.05)
    for task in tasks[::3]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    answered = [(n, outcome[0]) for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
    assert all(asked == got for asked, got in answered) and len(answered) >= 60
    assert await reader.read(lambda tx: tx.one("SELECT 'after'")) == ("after",)
    reader.close()


@asynchronous
async def test_a_connection_that_was_killed(url, database):
    """While it is idle and while it is at work: the read is answered over another one."""
    assert await database.read(lambda tx: tx.one("SELECT 1")) == (1,)
    await asyncio.sleep(0.3)
    for _ in range(2):
        mine = (await database.read(lambda tx: tx.one("SELECT CONNECTION_ID()")))[0]
        slow = asyncio.ensure_future(database.read(lambda tx: tx.one("SELECT 7 + SLEEP(0.5)")))
        await asyncio.sleep(0.1)
        await database.write(lambda tx, mine=mine: tx.run(f"KILL {int(mine)}"))
        assert (await slow)[0] in (7, 8)
        assert set(await gathered(*(database.read(lambda tx: tx.one("SELECT 2")) for _ in range(20)))) == {(2,)}


@asynchronous
async def test_silence_ends(url):
    reader = await connected(reader_of(url, seconds=0.3))
    outcomes = await gathered(*(reader.read(lambda tx: tx.one("SELECT SLEEP(2)")) for _ in range(4)))
    assert [type(outcome) for outcome in outcomes] == [DatabaseFailed] * 4
    await connected(reader)
    reader.close()


@asynchronous
async def test_a_connection_that_ends_with_its_last_answer(url):
    """Whose turn it was next leaves it to the threads: the answer and the connection's end come in one iteration of the
    event loop.
    """
    reader = await connected(reader_of(url))
    mine = (await reader.read(lambda tx: tx.one("SELECT CONNECTION_ID()")))[0]
    first, second = (asyncio.ensure_future(reader.read(lambda tx, n=n: tx.one("SELECT ?", n))) for n in (1, 2))
    await asyncio.sleep(0)
    server = mariadb.shared()
    # The loop stands still here, so that it finds both at once.
    wait_for(
        lambda: server.execute(f"SELECT command FROM information_schema.processlist WHERE id = {mine}") == [("Sleep",)]
    )
    server.execute(f"KILL {mine}")
    wait_for(lambda: not server.execute(f"SELECT id FROM information_schema.processlist WHERE id = {mine}"))
    assert await first == (1,)
    with pytest.raises(UseThread):
        await second
    await connected(reader)
    reader.close()


@asynchronous
async def test_what_waits_with_the_same_statement_is_asked_once(url):
    async def asked() -> int:
        """Statements that this connection has sent so far, this one included."""
        count = "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'QUESTIONS'"
        return int((await reader.read(lambda tx: tx.one(count)))[0])

    reader = await connected(reader_of(url))
    before = await asked()
    first = asyncio.ensure_future(reader.read(lambda tx: tx.one("SELECT SLEEP(0.1)")))
    await asyncio.sleep(0.02)
    same = [
        asyncio.ensure_future(reader.read(lambda tx: tx.one("SELECT word FROM kinds WHERE id = ?", 1)))
        for _ in range(20)
    ]
    other = [
        asyncio.ensure_future(reader.read(lambda tx, id=id: tx.one("SELECT word FROM kinds WHERE id = ?", id)))
        for id in (3, 5)
    ]
    await asyncio.sleep(0)
    assert reader.use() == (1, 1, 1, 22)
    same.pop().cancel()
    assert await gathered(first, *same) == [(0,), *[("plain",)] * 19]
    assert await gathered(*other) == [("",), (ROWS[4][1],)]
    assert await asked() - before == 5
    reader.close()
