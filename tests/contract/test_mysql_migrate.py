"""Migrations on MySQL: cut off at every statement, begun by many at once, and never backwards."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dockboard_registry.config import database_place
from dockboard_registry.db import migrate
from dockboard_registry.db.mysql.migrate import migrate as migrate_mysql
from dockboard_registry.errors import StartError
from tests.contract.drivers import ROOT
from tests.support import mariadb
from tests.support.mysql_proxy import MySQLProxy

UPGRADE = (
    "import sys; from dockboard_registry.config import database_place as place;"
    "from dockboard_registry.db.mysql.migrate import migrate; print(migrate(place(sys.argv[1])))"
)
TWO = (
    "CREATE TABLE b (\n    id BIGINT NOT NULL PRIMARY KEY\n);\nALTER TABLE a ADD COLUMN extra VARCHAR(10);\nCREATE"
    " INDEX a_extra ON a (extra);\n"
)
DATA = (
    "INSERT INTO b (id) SELECT id + 10 FROM a;\nUPDATE b SET id = id + 100;\nDROP INDEX a_extra ON a;\nALTER TABLE a"
    " DROP COLUMN extra;\n"
)
FILES = [
    (1, "0001_one.sql", "CREATE TABLE a (\n    id BIGINT NOT NULL PRIMARY KEY\n);\nINSERT INTO a (id) VALUES (1);\n"),
    (2, "0002_two.sql", TWO),
    (3, "0003_data.sql", DATA),
]
ALL_FILES = "from tests.contract.test_mysql_migrate import *; migrate_mysql(database_place(sys.argv[1]), FILES)"
STATEMENTS = [statement for _, _, sql in FILES for statement in migrate.statements(sql)]


@pytest.fixture(scope="module")
def server():
    return mariadb.shared()


@pytest.fixture
def name(server):
    made = server.make()
    yield made
    server.execute(f"DROP DATABASE `{made}`")


def place(server, name: str, port: int = 0):
    return database_place(server.url(name, port))


def schema(server, name: str) -> list:
    """Tables and indexes with their columns, as the server describes them, but for those of the migration itself."""
    wanted = f"table_schema = '{name}' AND table_name NOT LIKE 'schema%'"
    columns = (
        "SELECT table_name, column_name, column_type, is_nullable, collation_name FROM information_schema.columns"
        f" WHERE {wanted}"
    )
    indexes = (
        f"SELECT table_name, index_name, seq_in_index, column_name FROM information_schema.statistics WHERE {wanted}"
    )
    return sorted(map(str, server.execute(columns) + server.execute(indexes)))


def versions(server, name: str) -> list:
    return [
        version for (version,) in server.execute("SELECT version FROM schema_versions ORDER BY version", database=name)
    ]


def check_result(server, name: str) -> None:
    assert versions(server, name) == [1, 2, 3]
    assert server.execute("SELECT id FROM a", database=name) == [(1,)]
    assert server.execute("SELECT id FROM b", database=name) == [(111,)]
    assert [row for row in schema(server, name) if "extra" in row] == []


def test_a_fresh_database_gets_every_file_once(server, name):
    assert migrate_mysql(place(server, name)) == [file for _, file, _ in migrate.files()]
    assert migrate_mysql(place(server, name)) == []
    created = server.execute(
        "SELECT table_name, engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()",
        database=name,
    )
    assert {(engine, collation) for _, engine, collation in created} == {("InnoDB", "utf8mb4_bin")}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(len(STATEMENTS)))
def test_cut_off_at_a_statement_the_next_start_goes_on(server, name, number, when):
    beginning = STATEMENTS[number].rstrip(";").encode()
    with MySQLProxy(server.port) as proxy:
        proxy.cut(beginning, when)
        with pytest.raises(StartError, match="goes on from there"):
            migrate_mysql(place(server, name, proxy.port), FILES)
        assert proxy.cuts == 1
    server.execute("UPDATE schema_progress SET expires_at = 0", database=name)  # as if the time of its turn had passed
    assert migrate_mysql(place(server, name), FILES)
    check_result(server, name)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("beginning", [b"UPDATE schema_progress", b"COMMIT", b"INSERT INTO schema_versions"])
def test_cut_off_at_any_note_the_next_start_goes_on(server, name, beginning, when):
    skip = 0
    while True:
        server.execute(f"DROP DATABASE `{name}`")
        server.make(name)
        with MySQLProxy(server.port) as proxy:
            proxy.cut(beginning, when, skip)
            try:
                migrate_mysql(place(server, name, proxy.port), FILES)
            except StartError:
                pass
            if not proxy.cuts:
                break
        server.execute("UPDATE schema_progress SET expires_at = 0", database=name)
        migrate_mysql(place(server, name), FILES)
        check_result(server, name)
        skip += 1
    assert skip >= 3


def test_many_at_once_apply_each_file_once(server, name):
    command = [sys.executable, "-c", UPGRADE, server.url(name)]
    others = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    answers = sorted(other.communicate(timeout=60)[0].strip() for other in others)
    assert [other.returncode for other in others] == [0] * 5
    assert answers == sorted([str([file for _, file, _ in migrate.files()]), *["[]"] * 4])


@pytest.mark.parametrize("number", range(len(STATEMENTS)))
def test_killed_at_a_statement_many_starts_at_once_finish_the_work(server, name, number):
    """SIGKILL while the statement is on its way, or has run and nobody knows; then three nodes start, and each file is
    finished by one.
    """
    with MySQLProxy(server.port) as proxy:
        proxy.cut(STATEMENTS[number].rstrip(";").encode(), "hold after" if number % 2 else "hold before")
        node = subprocess.Popen([sys.executable, "-c", ALL_FILES, server.url(name, proxy.port)], cwd=ROOT)
        try:
            assert proxy.held.wait(30)
        finally:
            node.kill()
            node.wait()
    before = versions(server, name)
    server.execute("UPDATE schema_progress SET expires_at = 0", database=name)  # as if the time of its turn had passed
    with ThreadPoolExecutor(3) as nodes:
        done = [
            file for files in nodes.map(lambda _: migrate_mysql(place(server, name), FILES), range(3)) for file in files
        ]
    assert sorted(done) == [file for version, file, _ in FILES if version not in before]
    check_result(server, name)


def test_a_killed_node_is_followed_by_another_within_seconds(server, name):
    """The first one is killed while its statement waits in the server; the second waits for the end of the turn, then
    redoes it.
    """
    migrate_mysql(place(server, name), FILES[:1])
    blocker = server.admin(name)
    blocker.begin()
    blocker.cursor().execute("SELECT * FROM a")
    first = subprocess.Popen([sys.executable, "-c", ALL_FILES, server.url(name)], cwd=ROOT)
    altering = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE a ADD%'"
    deadline = time.monotonic() + 30
    while server.execute(altering) == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    follower = threading.Thread(target=migrate_mysql, args=(place(server, name), FILES))
    follower.start()
    time.sleep(1)
    blocker.rollback()
    blocker.close()
    follower.join(20)
    check_result(server, name)


def test_a_newer_schema_is_refused_in_words_and_untouched(server, name):
    migrate_mysql(place(server, name))
    server.execute("INSERT INTO schema_versions VALUES (9999, '9999_future.sql', 0)", database=name)
    with pytest.raises(StartError) as refused:
        migrate_mysql(place(server, name))
    assert "9999" in str(refused.value) and "newer version of Dockboard Registry" in str(refused.value)


def test_a_table_of_another_program_is_not_taken_for_ours(server, name):
    server.execute("CREATE TABLE tags (x INT)", database=name)
    with pytest.raises(StartError, match="already exists"):
        migrate_mysql(place(server, name))
    assert versions(server, name) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, "Access denied"),
        ({"name": "nowhere"}, "denied|Unknown database"),
        ({"port": 1}, "Can't connect"),
    ],
)
def test_what_can_not_be_reached_is_said_in_words(server, name, change, words):
    with pytest.raises(StartError, match=words) as refused:
        migrate_mysql(place(server, name)._replace(**change))
    assert mariadb.PASSWORD not in str(refused.value)


def test_the_server_refuses_a_statement_that_is_no_sql(server, name):
    with pytest.raises(StartError):
        migrate_mysql(place(server, name), [*FILES[:1], (2, "0002_bad.sql", "CREATE NONSENSE;\n")])
    assert versions(server, name) == [1]
    assert migrate_mysql(place(server, name), FILES) == ["0002_two.sql", "0003_data.sql"]
