"""Migrations: from nothing, again, after a kill in the middle, and never backwards; the files themselves are portable
and final.
"""

import ast
import contextlib
import hashlib
import itertools
import re
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dockboard_registry.db import migrate
from dockboard_registry.errors import StartError

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schema"
# The files of released versions, by the sha256 of their bytes. A line here is never changed: a change of the schema is
# a new file.
RELEASED = {
    "0001_core.sql": "e5f5ec3e36883da64cdf9ac93e0595d52c5d087543f7013f743b737784b26c7c",
}
PORTABLE_TYPES = {"BIGINT", "INTEGER", "VARCHAR", "LONGTEXT", "LONGBLOB", "SMALLINT"}
UNPORTABLE = re.compile(
    r"\b(AUTOINCREMENT|AUTO_INCREMENT|ROWID|STRICT|REPLACE|IGNORE|ON\s+CONFLICT|PRAGMA|TRIGGER|VIEW|VIRTUAL|COLLATE"
    r"|GENERATED|ENGINE|CHARSET|RETURNING"
    r"|IF\s+NOT\s+EXISTS|INT|TEXT|BLOB|REAL|DATETIME|TIMESTAMP|BOOLEAN|DEFAULT|CHECK|FOREIGN|REFERENCES|datetime"
    r"|strftime|TEMP|WHERE)\b|[`\"\[\]]",
    re.I,
)
# InnoDB: an index entry has at most 3072 bytes, and a character of utf8mb4 up to 4.
INDEX_BYTES = 3072
SIZES = {"BIGINT": 8, "INTEGER": 4, "SMALLINT": 2}
# Of MySQL's reserved words those that names of tables and columns come near to.
RESERVED = set(
    (
        "key index order group keys rank row rows system groups values change condition range read write "
        "references release rename repeat require schema schemas table to trigger usage use when where lead "
        "lock grant match of option function interval limit linear lines load long loop empty except cube "
        "window"
    ).split()
)
READY = "import os, dockboard_registry.db.migrate; os.write(1, b'.'); "
UPGRADE = (
    "import sys; from pathlib import Path; from dockboard_registry.db.migrate import migrate;"
    " print(migrate(Path(sys.argv[1])))"
)


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
        }
    finally:
        connection.close()


def versions(path: Path) -> list[tuple[int, str]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT version, name FROM schema_versions ORDER BY version").fetchall()
    finally:
        connection.close()


def all_names() -> list[str]:
    return [name for _, name, _ in migrate.files()]


def test_a_fresh_database_gets_every_file_once(tmp_path):
    path = tmp_path / "registry.db"
    assert migrate.migrate(path) == all_names()
    assert migrate.migrate(path) == []
    assert versions(path) == [(number, name) for number, name, _ in migrate.files()]
    assert {"repositories", "blobs", "manifests", "tags", "uploads", "garbage", "jobs", "settings"} <= tables(path)


def test_rows_survive_migrating_again(tmp_path):
    path = tmp_path / "registry.db"
    migrate.migrate(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO settings (name, value) VALUES ('kept', 'x')")
    connection.close()
    migrate.migrate(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM settings").fetchall() == [("kept", "x")]
    connection.close()


def test_several_at_once_apply_each_file_once(tmp_path):
    path = tmp_path / "registry.db"
    others = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = [other.communicate(timeout=50)[0].strip() for other in others]
    assert [other.returncode for other in others] == [0] * 4
    # Each file is a transaction, so another process may apply the next one.
    assert sorted(name for answer in answers for name in ast.literal_eval(answer)) == all_names()


def test_a_kill_at_any_moment_leaves_all_or_nothing(tmp_path):
    """The process is killed later and later, until it is through; after each kill the next start finishes the work."""
    delay, killed = 0.0, 0
    while True:
        path = tmp_path / f"{killed}.db"
        command = [sys.executable, "-c", READY + UPGRADE, path]
        other = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert other.stdout.read(1) == b"."
        time.sleep(delay)
        other.kill()
        other.stdout.close()
        through = other.wait() != -signal.SIGKILL
        left = tables(path) if path.exists() else set()
        assert len(left) in (0, *WHOLE), left
        migrate.migrate(path)
        assert len(tables(path)) == 1 + COUNT
        if through:
            break
        delay, killed = delay + 0.004, killed + 1
    assert killed > 0


COUNTS = [sql.count("CREATE TABLE") for _, _, sql in migrate.files()]
COUNT = sum(COUNTS)
# How many tables there are before the first file and after each, with the one of the migrations themselves.
WHOLE = list(itertools.accumulate(COUNTS, initial=1))


FILES = [
    (1, "0001_one.sql", "CREATE TABLE a (\n    id BIGINT NOT NULL PRIMARY KEY\n);\nINSERT INTO a (id) VALUES (1);\n"),
    (2, "0002_two.sql", "ALTER TABLE a ADD COLUMN extra BIGINT;\nUPDATE a SET id = id + 10;\n"),
    (
        3,
        "0003_three.sql",
        "CREATE TABLE b (\n    id BIGINT NOT NULL PRIMARY KEY\n);\nINSERT INTO b (id) SELECT id + 100 FROM a;\n",
    ),
]


def test_files_that_follow_are_applied_once_by_whoever_comes_first(tmp_path):
    path = tmp_path / "registry.db"
    assert migrate.migrate(path, FILES[:1]) == ["0001_one.sql"]
    with ThreadPoolExecutor(4) as nodes:
        done = [name for names in nodes.map(lambda _: migrate.migrate(path, FILES), range(4)) for name in names]
    assert sorted(done) == ["0002_two.sql", "0003_three.sql"]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT a.id, a.extra, b.id FROM a, b").fetchall() == [(11, None, 111)]
    with pytest.raises(StartError, match="newer version"):
        migrate.migrate(path, FILES[:2])


def added_columns(sql: str) -> list[str]:
    """What follows ADD COLUMN in the statements of a file."""
    return [
        found[1]
        for statement in migrate.statements(sql)
        if (found := re.match(r"ALTER TABLE \w+ ADD (?:COLUMN )?(.*)", statement, re.S | re.I))
    ]


def test_columns_that_are_added_may_be_null():
    """The version before goes on inserting rows without them (docs/architecture.md, Migrations)."""
    assert added_columns("ALTER TABLE a ADD COLUMN b BIGINT NOT NULL;\nALTER TABLE a DROP COLUMN c;\n") == [
        "b BIGINT NOT NULL"
    ]
    for _, name, sql in migrate.files():
        assert not [column for column in added_columns(sql) if "NOT NULL" in column.upper()], name


def test_a_file_that_fails_in_the_middle_changes_nothing(tmp_path):
    """What a full disk or a defect in a file does: the second statement fails, the first one is undone."""
    path = tmp_path / "registry.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE tags (name VARCHAR(1))")
    connection.commit()
    connection.close()
    with pytest.raises(StartError, match="Nothing was changed"):
        migrate.migrate(path)
    assert tables(path) == {"tags", "schema_versions"}
    assert versions(path) == []


def test_a_newer_schema_is_refused_in_words_and_untouched(tmp_path):
    path = tmp_path / "registry.db"
    migrate.migrate(path)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO schema_versions (version, name, applied_at) VALUES (9999, '9999_future.sql', 0)"
        )
    connection.close()
    before = tables(path), versions(path)
    with pytest.raises(StartError) as refused:
        migrate.migrate(path)
    assert "9999" in str(refused.value)
    assert "newer version of Dockboard Registry" in str(refused.value)
    assert (tables(path), versions(path)) == before


@pytest.mark.parametrize("content", [b"no database at all" * 300, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_refused_in_words_and_untouched(tmp_path, content):
    path = tmp_path / "registry.db"
    path.write_bytes(content)
    with pytest.raises(StartError, match="restore it from a backup"):
        migrate.migrate(path)
    assert path.read_bytes() == content


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StartError):
        migrate.migrate(tmp_path / "none" / "registry.db")


def test_files_are_numbered_without_a_gap():
    assert [number for number, _, _ in migrate.files()] == list(range(1, len(all_names()) + 1))
    assert all(re.fullmatch(r"[0-9]{4}_[a-z_]+\.sql", name) for name in all_names())
    assert sorted(path.name for path in SCHEMA.iterdir()) == all_names()


def test_released_files_are_never_edited():
    for name, digest in RELEASED.items():
        assert hashlib.sha256((SCHEMA / name).read_bytes()).hexdigest() == digest, (
            f"{name} was released: put the change into a new file"
        )


def test_statements_are_told_apart():
    sql = "-- a; comment;\nCREATE TABLE a (x BIGINT);\n\n  -- another\nCREATE INDEX b\n  ON a (x);\n"
    for text in (sql, sql.rstrip()):
        found = [statement.removesuffix(";") for statement in migrate.statements(text)]
        assert found == ["CREATE TABLE a (x BIGINT)", "CREATE INDEX b\n  ON a (x)"]
    assert migrate.statements("-- nothing;\n") == []


STATEMENTS = [(name, statement) for _, name, sql in migrate.files() for statement in migrate.statements(sql)]


@pytest.mark.parametrize(("name", "statement"), STATEMENTS, ids=lambda text: text[:40] if text.startswith("C") else "")
def test_sql_is_portable(name, statement):
    """What SQLite and MySQL both take, and take for the same: no word of one of them only."""
    assert re.match(
        r"(CREATE TABLE|CREATE INDEX|CREATE UNIQUE INDEX|ALTER TABLE|INSERT INTO|UPDATE|DELETE FROM|DROP TABLE|DROP"
        r" INDEX) ",
        statement,
    ), name
    assert ";" not in statement.removesuffix(";")
    found = UNPORTABLE.search(statement)
    assert found is None, f"{name}: {found[0]!r} is not portable"


def columns(statement: str) -> dict[str, str]:
    """Column names and types of a CREATE TABLE, in order."""
    found = {}
    for line in statement.splitlines()[1:-1]:
        words = line.strip().rstrip(",").split()
        if words[0] not in ("PRIMARY", "UNIQUE"):
            found[words[0]] = words[1]
    return found


TABLES = {
    statement.split()[2]: columns(statement) for _, statement in STATEMENTS if statement.startswith("CREATE TABLE")
}
for _, added in STATEMENTS:
    if found := re.match(r"ALTER TABLE (\w+) ADD COLUMN (\w+) ([^\s;]+)", added):
        TABLES[found[1]][found[2]] = found[3]


@pytest.mark.parametrize("table", TABLES)
def test_types_mean_the_same_everywhere(table):
    for column, kind in TABLES[table].items():
        assert kind.split("(")[0] in PORTABLE_TYPES, f"{table}.{column} is {kind}"
        if kind.startswith("VARCHAR"):
            assert re.fullmatch(r"VARCHAR\([1-9][0-9]{0,3}\)", kind), f"{table}.{column} is {kind}"


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_a_primary_key_that_is_never_null(table):
    (statement,) = [statement for _, statement in STATEMENTS if statement.startswith(f"CREATE TABLE {table} ")]
    key = re.search(r"^\s*PRIMARY KEY \(([^)]+)\)", statement, re.M)
    names = key[1].split(", ") if key else re.findall(r"^\s*(\w+) \S+ NOT NULL PRIMARY KEY", statement, re.M)
    assert names
    for name in names:
        assert re.search(rf"^\s*{name} \S+ NOT NULL", statement, re.M), f"{table}.{name} may be null"


def keys() -> list[tuple[str, list[str]]]:
    """(table, columns) of every index, unique and primary keys among them."""
    found = []
    for _, statement in STATEMENTS:
        if made := re.match(r"CREATE (?:UNIQUE )?INDEX \w+ ON (\w+) \(([^)]+)\)", statement):
            found.append((made[1], made[2].split(", ")))
        elif statement.startswith("CREATE TABLE"):
            table = statement.split()[2]
            found += [
                (table, names.split(", "))
                for names in re.findall(r"^\s*(?:PRIMARY KEY|UNIQUE) \(([^)]+)\)", statement, re.M)
            ]
            found += [
                (table, [name])
                for name in re.findall(r"^\s*(\w+) \S+ NOT NULL (?:PRIMARY KEY|UNIQUE)", statement, re.M)
            ]
    return found


@pytest.mark.parametrize(("table", "names"), keys(), ids=str)
def test_keys_fit_into_an_index_of_mysql(table, names):
    size = 0
    for name in names:
        kind = TABLES[table][name]
        assert not kind.startswith("LONG"), f"{table}.{name} can't be indexed"
        size += 4 * int(kind[8:-1]) if kind.startswith("VARCHAR") else SIZES[kind]
    assert size <= INDEX_BYTES


def test_no_name_is_a_reserved_word_of_mysql():
    indexes = {statement.split()[2] for _, statement in STATEMENTS if statement.startswith("CREATE INDEX")}
    names = set(TABLES) | {column for table in TABLES.values() for column in table} | indexes
    assert names & RESERVED == set()
