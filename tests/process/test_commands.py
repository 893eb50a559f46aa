"""The command line: what each command prints, and the exit status that scripts rely on."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from dockboard_registry.db import migrate
from dockboard_registry.wording import counted
from tests.protocol.certificates import make_certificate
from tests.support import mariadb
from tests.support.descriptors import opened_by
from tests.support.http import Client
from tests.support.server import Registry, registry_pyz, wait_for

COMMANDS = ("serve", "check", "gc", "config", "doctor", "migrate", "version")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A stopped registry that holds two images with a common layer."""
    registry = Registry(tmp_path_factory.mktemp("filled") / "data")
    with registry, Client(registry.address) as client:
        client.push_image("a/one", "v1", [b"common", b"one"])
        client.push_image("a/two", "v1", [b"common", b"two"])
    return registry


@pytest.fixture
def damaged(tmp_path):
    """A stopped registry in which one byte of a layer has turned."""
    registry = Registry(tmp_path / "data")
    with registry, Client(registry.address) as client:
        client.push_image("a/b", "v1", [b"a layer that rots" * 2000])
    (layer,) = [path for path in (registry.root / "blobs").rglob("*") if path.is_file()]
    layer.write_bytes(layer.read_bytes()[:-1] + b"S")
    return registry


def refused(registry: Registry, *arguments: str, status: int = 2) -> str:
    """The words on standard error of a command that must fail, and must not show a traceback."""
    done = registry.run(*arguments)
    assert done.returncode == status, done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_help_names_every_command_and_the_rule_of_keys(filled):
    done = filled.run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^    {command} ", done.stdout, re.MULTILINE), command
    assert "server.workers is DOCKBOARD_SERVER_WORKERS" in done.stdout
    for command in COMMANDS:
        assert filled.run(command, "--help").stdout.startswith(f"usage: registry {command} ")


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version(filled, arguments):
    done = filled.run(*arguments)
    assert re.fullmatch(r"Dockboard Registry \d+\.\d+\.\d+ \(commit \S+, Python 3\.\d+\.\d+\)\n", done.stdout)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["check", "--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["config"], "the following arguments are required"),
        (["serve", "--listen"], "expected one argument"),
    ],
)
def test_a_wrong_command_line_is_status_2(filled, arguments, words):
    assert words in refused(filled, *arguments)


def test_check_of_sound_data(filled):
    done = filled.run("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"5 blobs, 2 manifests, [\d,]+ bytes: all is well\n", done.stdout)
    done = filled.run("check", "--json")
    found = json.loads(done.stdout)
    assert found.pop("bytes") > 0
    assert found == {"ok": True, "blobs": 5, "manifests": 2, "problems": []}
    assert (done.returncode, done.stderr) == (0, "")


def test_check_of_damaged_data_names_the_problem_with_status_1(damaged):
    done = damaged.run("check", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert all(set(problem) == {"kind", "object", "detail"} for problem in found["problems"])
    assert len(found["problems"]) >= 1
    done = damaged.run("check")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith(f": {counted(len(found['problems']), 'problem')}")
    for problem in found["problems"]:
        assert problem["object"] in done.stdout


def test_check_of_the_storage_compares_without_reading(damaged):
    (layer,) = [path for path in (damaged.root / "blobs").rglob("*") if path.is_file()]
    done = damaged.run("check", "--storage")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 blob, 1 key: all is well\n", "")
    done = damaged.run("check", "--storage", "--read", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and [each["kind"] for each in found.pop("problems")] == ["blob with other bytes"]
    assert found == {"ok": False, "blobs": 1, "keys": 1, "bytes": 34000, "young": 0, "found": 1}
    (layer.parent / ("%s%038d" % (layer.parent.name, 0))).write_bytes(b"left over")
    layer.unlink()
    done = damaged.run("check", "--storage")
    assert done.returncode == 1 and done.stdout.startswith("blob without bytes sha256:")
    assert "1 young key without a blob" in done.stdout and done.stdout.endswith("1 blob, 1 key: 1 problem\n")
    assert "--read belongs to --storage" in refused(damaged, "check", "--read")


def test_check_and_gc_while_the_server_runs(tmp_path):
    with Registry(tmp_path / "data") as registry, Client(registry.address) as client:
        client.push_image("a/b", "v1", [b"layer"])
        assert json.loads(registry.run("check", "--json").stdout)["ok"] is True
        done = registry.run("gc", "--json")
        assert done.returncode == 0
        assert set(json.loads(done.stdout)) == {"links", "blobs", "keys", "uploads", "strays", "bytes"}
        assert client.pull_image("a/b", "v1") == [b"layer"]


def test_gc_removes_what_nothing_refers_to(tmp_path):
    registry = Registry(tmp_path / "data", gc_grace=0, gc_lease=0, gc_interval=0)
    with registry, Client(registry.address) as client:
        client.push_image("a/b", "v1", [b"kept"])
        client.push_blob("a/b", b"never referred to")
    done = registry.run("gc")
    assert done.returncode == 0
    assert done.stdout.startswith("dropped 1 blob from repositories, 1 from the registry")
    assert json.loads(registry.run("gc", "--json").stdout)["links"] == 0
    assert registry.run("check").returncode == 0


@pytest.mark.parametrize("command", ["check", "gc"])
def test_a_mistyped_data_directory_is_not_a_clean_registry(filled, tmp_path, command):
    words = refused(filled, command, "--data", str(tmp_path / "typo"))
    assert words.startswith(f"registry: there is no data directory {tmp_path}/typo")
    assert not (tmp_path / "typo").exists()
    (tmp_path / "empty").mkdir()
    assert "--data" in refused(filled, command, "--data", str(tmp_path / "empty"))
    assert list((tmp_path / "empty").iterdir()) == []


def test_the_bar_is_drawn_on_a_terminal_only(filled):
    assert "%" not in filled.run("check").stderr
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [*filled._command, "check"],
        env=filled.environment(),
        stdout=subprocess.PIPE,
        stderr=terminal,
        stdin=subprocess.DEVNULL,
    )
    os.close(terminal)
    output, _ = process.communicate(timeout=30)
    drawn = os.read(main, 65536).decode()
    os.close(main)
    assert process.returncode == 0
    assert re.search(r"\r\[#{40}\] 100\.0 %  \d+ of \d+", drawn)
    # Nothing of the bar is left beside the result.
    assert drawn.endswith("\r\x1b[K")
    assert b"all is well" in output


def test_config_show_is_the_configuration_in_effect(filled, tmp_path):
    file = tmp_path / "registry.toml"
    file.write_text("[gc]\ngrace = 7\nlease = 8\n")
    registry = Registry(tmp_path / "data", gc_lease=9)
    done = registry.run("config", "show", "--config", str(file), "--listen", "127.0.0.1:5999")
    assert done.returncode == 0
    shown = tomllib.loads(done.stdout)
    assert (shown["gc"]["grace"], shown["gc"]["lease"], shown["server"]["listen"]) == (7, 9, "127.0.0.1:5999")
    assert f"grace = 7  # file {file}" in done.stdout
    assert "lease = 9  # environment DOCKBOARD_GC_LEASE" in done.stdout
    assert not (tmp_path / "data").exists()


def test_options_may_stand_before_the_command_or_after_it(tmp_path):
    registry = Registry(tmp_path / "data")
    file = tmp_path / "registry.toml"
    file.write_text("[gc]\ngrace = 7\n")
    for arguments in (["--config", str(file), "config", "show"], ["config", "show", "--config", str(file)]):
        assert f"grace = 7  # file {file}" in registry.run(*arguments).stdout


def test_config_check(filled, tmp_path):
    assert filled.run("config", "check").stdout == "the configuration is valid\n"
    file = tmp_path / "registry.toml"
    file.write_text("[server]\nworker = 1\n[gc]\ngrace = 'long'\n")
    assert refused(filled, "config", "check", "--config", str(file)).splitlines() == [
        f"registry: file {file}: there is no key server.worker; did you mean server.workers?",
        (
            f"registry: file {file}: gc.grace must be a number from 0 to 315360000 (seconds), or a duration such as"
            ' 90d, 12h, 30m or 45s, not "long"'
        ),
    ]


def test_an_unknown_setting_in_the_environment_stops_every_command(tmp_path):
    registry = Registry(tmp_path / "data", server_worker=3)
    for command in (["serve"], ["check"], ["gc"], ["migrate"], ["config", "show"]):
        assert "did you mean DOCKBOARD_SERVER_WORKERS?" in refused(registry, *command)
    assert registry.run("version").returncode == 0


def test_migrate_is_done_once(tmp_path):
    (tmp_path / "data").mkdir()
    registry = Registry(tmp_path / "data")
    first = registry.run("migrate")
    assert first.returncode == 0
    assert first.stdout.startswith("applied 0001")
    assert registry.run("migrate").stdout == "the database is up to date\n"


def test_no_other_account_reads_the_database(tmp_path):
    """In a directory that others may enter: an operator made it, or the database was made by a version before."""
    registry = Registry(tmp_path / "data")
    registry.root.mkdir(mode=0o755)
    with registry, Client(registry.address) as client:
        client.push_blob("a/b", b"so that there is a log")
        modes = database_modes(registry)
        assert {"registry.db", "registry.db-wal", "registry.db-shm"} <= set(modes)
        assert not any(mode & 0o077 for mode in modes.values()), modes
    database = registry.root / "registry.db"
    database.chmod(0o644)
    with registry:
        assert not any(mode & 0o007 for mode in database_modes(registry).values())
        assert database_modes(registry)[database.name] == 0o640


def database_modes(registry: Registry) -> dict[str, int]:
    return {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in registry.root.glob("registry.db*")
        if path.suffix != ".lock"
    }


def test_a_reader_that_goes_away_is_no_error_of_ours(filled):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*filled._command, "config", "show"], env=filled.environment(), stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_control_c_ends_a_command_without_a_traceback(filled):
    command = [*filled._command, "check"]
    for _ in range(5):
        process = subprocess.Popen(
            command, env=filled.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        # At some moments of an import Python ignores a signal. Then the command goes on, and the user would try again.
        if process.returncode != 0:
            break
    # So early that it may be Python's own start-up that is interrupted.
    assert process.returncode in (130, -signal.SIGINT)
    assert "dockboard" not in errors


def test_the_second_control_c_ends_a_command_at_once_and_quietly(tmp_path):
    """The first one waits for the files that are being read: here for one that never comes to an end."""
    registry = Registry(tmp_path / "data")
    with registry, Client(registry.address) as client:
        client.push_image("a/b", "v1", [b"layer" * 20_000])
    (layer,) = [path for path in (registry.root / "blobs").rglob("*") if path.is_file()]
    size = layer.stat().st_size
    layer.unlink()
    os.truncate(os.open(layer, os.O_CREAT | os.O_WRONLY, 0o600), 40 << 30)
    with contextlib.closing(sqlite3.connect(registry.root / "registry.db")) as connection:
        connection.execute("UPDATE blobs SET size = ? WHERE size = ?", (40 << 30, size))
        connection.commit()
    process = subprocess.Popen(
        [*registry._command, "check"],
        env=registry.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: str(layer) in opened_by(process.pid), 20, "the reading")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    # The second one may come while Python ends already, and no handler is left.
    assert process.returncode in (130, -signal.SIGINT)


@pytest.mark.parametrize(
    ("mend", "words"),
    [
        (lambda certificate, key, other: (certificate, other), "the key does not belong to the certificate"),
        (lambda certificate, key, other: (certificate, rsa(key)), "the key does not belong to the certificate"),
        (
            lambda certificate, key, other: (chain(other.with_suffix(".pem"), certificate), key),
            "the server's own certificate comes first",
        ),
        (lambda certificate, key, other: (key, key), "server.tls_certificate is not PEM"),
        (lambda certificate, key, other: (certificate, encrypted(key)), "the key has a password"),
    ],
)
def test_config_check_tries_certificate_and_key_together(tmp_path, mend, words):
    (certificate, key), (_, other) = (make_certificate(tmp_path, name) for name in ("one", "two"))
    registry = Registry(tmp_path / "data", server_tls_certificate=certificate, server_tls_key=key)
    assert registry.run("config", "check").stdout == "the configuration is valid\n"
    used = mend(certificate, key, other)
    registry.configure(server_tls_certificate=used[0], server_tls_key=used[1])
    for command in (["config", "check"], ["serve"]):
        said = refused(registry, *command)
        assert words in said and "server.tls_key" in said and "_ssl.c" not in said
    assert registry.run("config", "show").returncode == 0


def test_only_a_damaged_database_is_to_be_restored(tmp_path):
    """A refused login, a server that is not there, a file of another user: what to check is said, and nothing of
    damage.
    """
    server = mariadb.shared()
    right = server.url(server.make())
    for url, words in (
        (right.replace("@127", "x@127"), "Check user and password in database.url"),
        (right.rpartition("/")[0] + "/nobodys", "Give the user of database.url all rights"),
        (right.replace(f":{server.port}/", ":1/"), "Check host and port"),
    ):
        registry = Registry(tmp_path / "data", database_url=url)
        for command in (["serve"], ["migrate"]):
            said = refused(registry, *command)
            assert words in said and "damaged" not in said and "Errno" not in said and mariadb.PASSWORD not in said
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "registry.db").write_bytes(b"no database" * 1000)
    said = refused(Registry(tmp_path / "damaged"), "serve")
    assert "It is damaged: restore it from a backup" in said


def rsa(key: Path) -> Path:
    """A key of another kind than the certificate's."""
    made = key.with_suffix(".rsa")
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-out", made], check=True, capture_output=True)
    made.chmod(0o600)
    return made


def chain(*certificates: Path) -> Path:
    """One file with all of them."""
    made = certificates[0].with_suffix(".chain")
    made.write_bytes(b"".join(certificate.read_bytes() for certificate in certificates))
    return made


def encrypted(key: Path) -> Path:
    made = key.with_suffix(".encrypted")
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", made],
        check=True,
        capture_output=True,
    )
    made.chmod(0o600)
    return made


def copy_of(source: Path, target: Path) -> list[str]:
    return [
        sys.executable,
        str(registry_pyz()),
        "copy-database",
        "--from",
        f"sqlite:{source}",
        "--to",
        f"sqlite:{target}",
    ]


def rows(path: Path, sql: str) -> int:
    """The number that a query finds, 0 while there is no such table."""
    with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.OperationalError):
        return connection.execute(sql).fetchone()[0]
    return 0


def test_copying_a_database_that_was_interrupted_goes_on(tmp_path):
    """Control-C on a terminal: what to do next is said, on a line of its own, and the
    same command finishes the work.
    """
    source, target, count = tmp_path / "source.db", tmp_path / "target.db", 20_000
    migrate.migrate(source)
    with contextlib.closing(sqlite3.connect(source)) as connection:
        connection.executemany(
            "INSERT INTO garbage (storage_key, condemned_at) VALUES (?, 1)",
            ((f"{number:032}",) for number in range(count)),
        )
        connection.commit()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(copy_of(source, target), stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 65536)
    wait_for(lambda: target.exists() and rows(target, "SELECT COUNT(*) FROM garbage") > 0, 30, "the first rows")
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # the end of the terminal
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    assert process.wait(30) == 130
    assert shown.endswith(b"\r\x1b[Kregistry: the copy is not whole yet; run the same command again to go on\r\n"), (
        shown[-300:]
    )
    assert 0 < rows(target, "SELECT COUNT(*) FROM garbage") < count
    done = subprocess.run(copy_of(source, target), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    tables = rows(source, "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name <> 'schema_versions'")
    assert done.stdout == f"copied and compared {count:,} rows of {tables} tables; put the new URL into database.url\n"
    assert rows(target, "SELECT COUNT(*) FROM garbage") == count
