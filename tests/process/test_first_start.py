"""The first start on an address that others reach: one account, its password told once, whatever happens in between."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http import Client
from tests.support.people import As, People, basic
from tests.support.server import Registry, wait_for

# 127.0.0.1 to the system, and to the registry a name that others may know too.
OTHERS_REACH = "127.1:0"
TOLD = re.compile(r"^    password  ([A-Za-z2-9]{24})$", re.M)


def first(root, **settings) -> Registry:
    return Registry(root, 1, server_listen=OTHERS_REACH, **settings)


def names(registry: Registry) -> list[str]:
    return [line.split()[0] for line in People(registry).command("user", "list").splitlines()[1:]]


def test_the_first_start_tells_a_password_once(tmp_path):
    registry = first(tmp_path / "data", log_format="json", log_level="debug")
    with registry:
        (password,) = TOLD.findall(registry.output.read_text())
        assert "    docker login " in registry.output.read_text()
        with Client(registry.address) as client:
            client.request("POST", "/v2/app/blobs/uploads/").expect(401)
        with As(registry.address, basic("admin", password)) as admin:
            admin.push_image("app", "v1", [b"layer"])
            assert admin.pull_image("app", "v1") == [b"layer"]
    with registry:
        assert names(registry) == ["admin"]
    assert (
        registry.output.read_text().count(password) == 1 and registry.output.read_text().count("user passwd admin") == 1
    )
    files = [registry.log, *(path for path in registry.root.rglob("*") if path.is_file())]
    assert not [path for path in files if password.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("listen", "anonymous"),
    [(OTHERS_REACH, "pull"), (OTHERS_REACH, "push"), ("127.0.0.1:0", ""), ("127.0.0.1:0", "none")],
)
def test_no_account_is_made_where_everyone_has_a_right_or_nobody_else_comes(tmp_path, listen, anonymous):
    with Registry(tmp_path / "data", 1, server_listen=listen, auth_anonymous=anonymous) as registry:
        assert names(registry) == []
        assert "password" not in registry.output.read_text() and "docker login" not in registry.output.read_text()


def test_none_for_everyone_needs_an_account_too(tmp_path):
    with first(tmp_path / "data", auth_anonymous="none") as registry:
        assert len(TOLD.findall(registry.output.read_text())) == 1


def test_who_has_accounts_already_gets_no_other(tmp_path):
    registry = first(tmp_path / "data")
    os.mkdir(registry.root)
    assert registry.run("migrate").returncode == 0
    People(registry).add("ann")
    with registry:
        assert names(registry) == ["ann"]
        assert "password" not in registry.output.read_text()


def full_pipe() -> tuple[int, int]:
    """(reader, writer) of a pipe that takes nothing more: whoever writes to it waits."""
    reader, writer = os.pipe()
    os.write(writer, b"x" * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ))
    return reader, writer


def test_a_start_that_is_killed_before_it_tells_leaves_word_for_the_next(tmp_path):
    registry = first(tmp_path / "data")
    reader, writer = full_pipe()
    process = subprocess.Popen(
        [*registry._command, "serve"], env=registry.environment(), stdout=writer, stderr=subprocess.DEVNULL
    )
    os.close(writer)
    try:
        wait_for(
            lambda: (registry.root / "registry.db").exists() and "\nadmin " in registry.run("user", "list").stdout,
            60,
            "the account",
        )
    finally:
        process.kill()
        process.wait()
        os.close(reader)
    for _ in range(2):
        with registry:
            said = registry.output.read_text()
    assert said.count("registry.pyz user passwd admin") == 2 and not TOLD.search(said)
    done = subprocess.run(
        [*registry._command, "user", "passwd", "admin", "--password-stdin"],
        env=registry.environment(),
        input="staple battery horse",
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    with registry:
        assert registry.output.read_text().count("user passwd admin") == 2
        with As(registry.address, basic("admin", "staple battery horse")) as admin:
            admin.request("GET", "/v2/_catalog").expect(200)


def test_of_nodes_that_start_at_once_one_makes_the_account(tmp_path):
    one = first(tmp_path / "data", database="mysql")
    nodes = [one, one.sibling(), one.sibling()]
    try:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(Registry.start, nodes))
        told = [password for node in nodes for password in TOLD.findall(node.output.read_text())]
        assert len(told) == 1 and names(one) == ["admin"]
        for node in nodes:
            with As(node.address, basic("admin", told[0])) as admin:
                admin.request("GET", "/v2/_catalog").expect(200)
    finally:
        for node in nodes:
            node.stop()


def test_the_start_says_where_the_pages_are(tmp_path):
    registry = Registry(tmp_path / "data", 1)
    with registry:
        url = f"http://localhost:{registry.port}"
        line = f"Pages at {url}/ (make the first account at {url}/setup)"
        assert line in registry.output.read_text().splitlines()
        People(registry).add("ann")
    registry.configure(server_external_url="https://registry.example.com/hub")
    with registry:
        assert "Pages at https://registry.example.com/hub/" in registry.output.read_text().splitlines()
    registry.configure(server_apis="v2,api")
    with registry:
        assert registry.output.read_text().count("Pages at") == 2
