"""Whose the data directory is, what may lie there, and what commands do before the first start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import tools
from tests.support.http import Client
from tests.support.people import As, People, basic
from tests.support.server import Registry, registry_pyz, wait_for

SERVICE, OTHER, GROUP = 51_001, 51_002, 51_003
PASSWORD = "a long enough passphrase"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users of the machine reach, with a registry.pyz in it."""
    if os.geteuid() != 0:
        tools.missing("root, to be other users")
    made = Path(tempfile.mkdtemp(prefix="dockboard-data-"))
    made.chmod(0o755)
    shutil.copy(registry_pyz(), made / "registry.pyz")
    (made / "registry.pyz").chmod(0o644)
    yield made
    shutil.rmtree(made)


def directory(path: Path, owner: int, group: int = 0, mode: int = 0o700) -> Path:
    path.mkdir()
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


def run(
    place: Path, user: int, *words: str, groups: tuple[int, ...] = (), **settings: object
) -> subprocess.CompletedProcess[str]:
    """A command as another user; `serve` is ended as soon as it listens."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/",
        **{f"DOCKBOARD_{name.upper()}": str(value) for name, value in settings.items()},
    }
    line = ["/usr/bin/env", "python3", str(place / "registry.pyz"), *words]
    return subprocess.run(
        line,
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        user=user,
        group=user,
        extra_groups=groups,
    )


COMMANDS = (("serve",), ("migrate",), ("gc",), ("check",), ("user", "list"))


def test_a_directory_of_another_user_is_refused_in_words(place):
    data = directory(place / "data", OTHER, mode=0o755)
    for words in COMMANDS:
        done = run(place, SERVICE, *words, "--data", str(data))
        assert done.returncode == 2 and f"belongs to {OTHER}" in done.stderr and "chown" in done.stderr, (words, done)
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_directory_that_others_may_write_to_is_refused(place, mode):
    data = directory(place / "data", SERVICE, mode=mode)
    for user in (SERVICE, 0):
        for words in COMMANDS:
            done = run(place, user, *words, "--data", str(data))
            assert done.returncode == 2 and "others may write" in done.stderr and "chmod o-w" in done.stderr, (
                words,
                done,
            )
    assert list(data.iterdir()) == []


def test_the_directory_of_the_database_is_looked_at_too(place):
    data, apart = directory(place / "data", SERVICE), directory(place / "apart", SERVICE, mode=0o777)
    done = run(place, SERVICE, "migrate", "--data", str(data), database_url=f"sqlite:{apart}/registry.db")
    assert done.returncode == 2 and f"others may write to {apart}" in done.stderr
    assert list(apart.iterdir()) == []


def test_a_volume_with_a_group_is_used(place):
    data = directory(place / "data", 0, GROUP, 0o2770)
    assert run(place, SERVICE, "migrate", "--data", str(data), groups=(GROUP,)).returncode == 0
    assert run(place, SERVICE, "check", "--data", str(data), groups=(GROUP,)).returncode == 0
    refused = run(place, OTHER, "check", "--data", str(data))
    assert refused.returncode == 2 and "Traceback" not in refused.stderr


def test_what_root_makes_belongs_to_the_service(place):
    data = directory(place / "data", SERVICE)
    for words in (("migrate",), ("gc",), ("check",), ("user", "list")):
        assert run(place, 0, *words, "--data", str(data)).returncode == 0, words
    assert {path.lstat().st_uid for path in data.rglob("*")} == {SERVICE}
    for words in (("gc",), ("check",)):
        assert run(place, SERVICE, *words, "--data", str(data)).returncode == 0, words


def test_a_server_of_root_leaves_files_that_the_service_can_read(place):
    data = directory(place / "data", SERVICE)
    with Registry(data, workers=1) as registry, Client(registry.address) as client:
        client.push_image("app", "v1", [os.urandom(100_000)])
    assert {path.lstat().st_uid for path in data.rglob("*") if path.suffix not in (".out",)} == {SERVICE}
    done = run(place, SERVICE, "check", "--data", str(data))
    assert done.returncode == 0 and "2 blobs" in done.stdout, done
    for left in (registry.log, registry.output):
        left.unlink()


@pytest.mark.parametrize(
    "name",
    [
        ".lock",
        "store-id",
        "registry.db",
        "registry.db-wal",
        "registry.db.lock",
        "registry.db.use",
        "registry.db.spare",
        "blobs",
        "blobs/ab",
    ],
)
def test_no_symbolic_link_is_followed(tmp_path, name):
    registry = Registry(tmp_path / "data", workers=1)
    registry.root.mkdir()
    (registry.root / "blobs").mkdir() if "/" in name else None
    target = tmp_path / "precious"
    target.mkdir() if "blobs" in name else target.write_text("precious\n")
    (registry.root / name).symlink_to(target)
    for words in COMMANDS:
        done = registry.run(*words)
        assert done.returncode == 2 and "symbolic link" in done.stderr and str(registry.root / name) in done.stderr, (
            words,
            done,
        )
    assert list(target.iterdir()) == [] if target.is_dir() else target.read_text() == "precious\n"


def test_a_lock_that_is_somebody_elses_file_keeps_its_content(tmp_path):
    registry = Registry(tmp_path / "data", workers=1)
    registry.root.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("precious\n")
    os.link(precious, registry.root / ".lock")
    done = registry.run("serve")
    assert done.returncode == 2 and ".lock" in done.stderr, done
    assert precious.read_text() == "precious\n"


def test_migrate_comes_before_the_first_start(tmp_path):
    registry = Registry(tmp_path / "not" / "there", workers=1)
    done = registry.run("migrate")
    assert done.returncode == 0 and "0001_core.sql" in done.stdout, done
    assert registry.run("migrate").stdout == "the database is up to date\n"
    with registry, Client(registry.address) as client:
        client.push_image("app", "v1")


def test_migrate_makes_no_new_registry_over_a_lost_database(tmp_path):
    with Registry(tmp_path / "data", workers=1) as registry:
        pass
    (registry.root / "registry.db").unlink()
    for words in (("migrate",), ("user", "list")):
        done = registry.run(*words)
        assert done.returncode == 2 and "Restore it from a backup" in done.stderr, (words, done)
        assert not (registry.root / "registry.db").exists()


@pytest.mark.parametrize("exists", [False, True], ids=["no directory", "empty directory"])
def test_accounts_are_made_before_the_first_start(tmp_path, exists):
    registry = Registry(tmp_path / "data", workers=1, server_listen="127.1:0")
    if exists:
        registry.root.mkdir()
    folk = People(registry)
    folk.command("user", "list")
    folk.told(PASSWORD, "user", "add", "ann", "--admin", "--password-stdin")
    with registry:
        assert "password  " not in registry.output.read_text()
        with As(registry.address, basic("ann", PASSWORD)) as ann:
            ann.push_image("app", "v1")


def test_admin_gets_a_password_before_the_first_start(tmp_path):
    registry = Registry(tmp_path / "data", workers=1, server_listen="127.1:0")
    folk = People(registry)
    folk.told(PASSWORD, "user", "passwd", "admin", "--password-stdin")
    with registry:
        assert "password  " not in registry.output.read_text()
        with As(registry.address, basic("admin", PASSWORD)) as admin:
            admin.push_image("app", "v1")
            assert admin.get("/api/v1/users").status == 200


def test_check_and_gc_of_a_mistyped_directory_make_nothing(tmp_path):
    registry = Registry(tmp_path / "data", workers=1)
    for order in ("check", "gc"):
        assert registry.run(order).returncode == 2
    assert not registry.root.exists()


def test_no_password_stands_in_the_list_of_processes(tmp_path):
    """Neither of a URL that is given as an argument, nor of one from a file or standard input."""
    with Registry(tmp_path / "data", workers=1):
        pass
    source, secret = f"sqlite:{tmp_path}/data/registry.db", "tOp5ecret"
    target = f"mysql://docker:{secret}@127.0.0.1:1/registry"
    (tmp_path / "url").write_text(target + "\n")
    for given, standard_input in ((target, None), (f"@{tmp_path}/url", None), ("-", target + "\n")):
        line = [sys.executable, str(registry_pyz()), "copy-database", "--from", source, "--to", given]
        process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if given == target:
            command_line = Path(f"/proc/{process.pid}/cmdline")
            wait_for(lambda: b"docker:xxx" in command_line.read_bytes(), 30, "the password's end in the list")
        out, err = process.communicate(standard_input, timeout=60)
        assert process.returncode == 2 and secret not in out + err and "127.0.0.1:1" in err, err
