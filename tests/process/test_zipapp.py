"""registry.pyz as a file: what is in it, that it is the same at every build, and that every Python runs it."""

from __future__ import annotations

import ast
import glob
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import tools
from tests.support.http import Client
from tests.support.server import REPOSITORY, Registry, registry_pyz

# What build_zipapp.py reads.
INPUTS = ("build_zipapp.py", "LICENSE", "dockboard_registry", "schema")
# No package index: what can be built like this was built from the cache alone.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}


def pythons() -> dict[str, list[str]]:
    """`3.12` -> the interpreters of that version on this machine, found in PATH and where pyenv keeps them."""
    candidates = glob.glob(f"{Path.home()}/.pyenv/versions/*/bin/python3")
    candidates += [
        path for name in ("python3", *(f"python3.{minor}" for minor in range(6, 20))) if (path := shutil.which(name))
    ]
    found: dict[str, list[str]] = {}
    for path in [sys.executable, *candidates]:
        asked = subprocess.run(
            [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
        )
        if asked.returncode == 0:
            found.setdefault(asked.stdout.strip(), []).append(path)
    return found


PYTHONS = pythons()
CURRENT = sorted(
    (version for version in PYTHONS if int(version.split(".")[1]) >= 11), key=lambda version: int(version.split(".")[1])
)
OUTDATED = sorted(set(PYTHONS) - set(CURRENT))


@pytest.fixture(scope="module")
def archive():
    with zipfile.ZipFile(registry_pyz()) as opened:
        yield opened


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the build reads, outside git."""
    target = tmp_path / "checkout"
    target.mkdir()
    for name in INPUTS:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    return target


def build(checkout: Path, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, str(checkout / "build_zipapp.py")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd="/",
    )


def built(checkout: Path, **environment: str) -> bytes:
    done = build(checkout, **environment)
    assert done.returncode == 0, done.stderr
    return (checkout / "registry.pyz").read_bytes()


def test_it_is_one_small_executable_file():
    data = registry_pyz().read_bytes()
    assert data.startswith(b"#!/usr/bin/env python3\n")
    assert len(data) < 1_000_000
    assert os.access(registry_pyz(), os.X_OK)


def test_it_is_pure_python(archive):
    suffixes = {Path(name).suffix for name in archive.namelist() if not name.startswith("licenses/")}
    assert not suffixes & {".so", ".pyd", ".dll", ".pyc", ".whl"}
    tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"__main__.py", "dockboard_registry", "licenses", "tornado", "pymysql", "passlib"}
    assert not [name for name in archive.namelist() if "/test/" in name or "/tests/" in name]


def code_of(source: bytes) -> tuple[str, list[int]]:
    """A module's statements without its docstrings, and the lines where they stand."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node) is not None:
                node.body[0].value = ast.Constant("")
    return ast.dump(tree), [node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def test_packages_are_packed_without_comments_and_otherwise_as_they_are(archive):
    """A traceback names the lines of the package, and notices of copyright stay."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "dockboard-registry", "wheels")
    packed = {name for name in archive.namelist() if name.startswith(("tornado/", "pymysql/", "passlib/"))}
    compared = 0
    for wheel in map(zipfile.ZipFile, cache.glob("*.whl")):
        for name in packed & set(wheel.namelist()):
            assert code_of(archive.read(name)) == code_of(wheel.read(name)), name
            compared += 1
    assert compared == len(packed) > 40
    text = archive.read("tornado/iostream.py").decode()
    assert "Copyright 2009 Facebook" in text and "without comments and docstrings" in text.splitlines()[-1]
    assert "Copyright (c)" in archive.read("passlib/crypto/_blowfish/__init__.py").decode()


def test_the_program_is_packed_in_the_same_way(archive):
    for path in sorted((REPOSITORY / "dockboard_registry").rglob("*.py")):
        packed = archive.read(str(path.relative_to(REPOSITORY)))
        assert code_of(packed) == code_of(path.read_bytes()), path
        assert not packed.startswith(b'"""')


# Imports every module of the archive, from it alone.
IMPORTED = """
import importlib, sys, zipfile
def standard(path):
    return path.endswith((".zip", "lib-dynload")) or path.rpartition("/")[2].startswith("python3")
sys.path[:] = [sys.argv[1], *filter(standard, sys.path)]
files = [name for name in zipfile.ZipFile(sys.argv[1]).namelist() if name.endswith(".py")]
names = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("version", CURRENT)
def test_no_module_misses_one_that_was_left_out(version):
    command = [PYTHONS[version][0], "-I", "-S", "-c", IMPORTED, str(registry_pyz())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


def test_it_carries_the_licences_and_the_schema(archive):
    names = archive.namelist()
    for package in ("dockboard-registry", "tornado", "pymysql", "libpass"):
        texts = [name for name in names if name.startswith(f"licenses/{package}/")]
        assert texts, package
        assert all(len(archive.read(text)) > 500 for text in texts)
    schema = {f"dockboard_registry/schema/{path.name}" for path in (REPOSITORY / "schema").glob("*.sql")}
    assert schema and schema <= set(names)


def test_it_holds_nothing_of_the_machine_that_built_it(archive):
    for info in archive.infolist():
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert (info.create_system, info.external_attr >> 16) == (3, 0o100644)
        assert str(REPOSITORY).encode() not in archive.read(info)
    assert archive.namelist() == sorted(archive.namelist())


def test_a_rebuild_has_the_same_bytes_and_needs_no_network(checkout, tmp_path):
    first = built(checkout)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(checkout, elsewhere, ignore=shutil.ignore_patterns("registry.pyz"))
    for path in elsewhere.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    (elsewhere / "dockboard_registry" / "left.pyc").write_bytes(b"x")
    (elsewhere / "dockboard_registry" / "errors.py~").write_bytes(b"x")
    assert built(elsewhere, **OFFLINE, TZ="Asia/Kathmandu", LC_ALL="C", PYTHONHASHSEED="7") == first
    # Again, over a file that is there already.
    assert built(elsewhere, **OFFLINE) == first


def test_a_package_with_other_bytes_is_never_packed(checkout, tmp_path):
    """A damaged or tampered cache is not trusted, and without the network the build says what it lacks."""
    cache = tmp_path / "cache"
    built(checkout)
    (checkout / "registry.pyz").unlink()
    wheels = cache / "dockboard-registry" / "wheels"
    shutil.copytree(
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "dockboard-registry", "wheels"), wheels
    )
    victim = next(wheels.glob("tornado-*.whl"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    done = build(checkout, XDG_CACHE_HOME=str(cache), **OFFLINE)
    assert done.returncode == 1
    assert "pip could not download the packages" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / "registry.pyz").exists()


def test_a_python_without_pip_can_build(checkout, tmp_path):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = build(checkout, str(bare / "bin" / "python"), XDG_CACHE_HOME=str(tmp_path / "empty"))
    assert done.returncode == 0, done.stderr
    assert (checkout / "registry.pyz").exists()


def test_too_large_a_file_is_not_written(checkout):
    (checkout / "dockboard_registry" / "noise.bin").write_bytes(os.urandom(1 << 20))
    done = build(checkout)
    assert done.returncode == 1
    assert re.fullmatch(r"registry\.pyz would have [\d,]+ bytes; its limit is 1,000,000\n", done.stderr)
    assert not list(checkout.glob("registry.pyz*"))


def test_version_and_commit_are_stamped(checkout):
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            [str(tools.tool("git")), "-C", str(checkout), *identity, *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def stamp() -> str:
        built(checkout)
        return subprocess.run(
            [sys.executable, "-I", str(checkout / "registry.pyz"), "version"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    version = re.escape(
        re.search(r'__version__ = "(.+)"', (checkout / "dockboard_registry" / "__init__.py").read_text())[1]
    )
    assert re.match(rf"Dockboard Registry {version} \(commit unknown, Python \d", stamp())
    git("init", "--quiet")
    git("add", *INPUTS)
    git("commit", "--quiet", "--message", "all")
    head = git("rev-parse", "HEAD")[:12]
    assert f"(commit {head}, " in stamp()
    with open(checkout / "dockboard_registry" / "errors.py", "a") as file:
        file.write("\n")
    assert f"(commit {head}+dirty, " in stamp()


@pytest.mark.parametrize("version", CURRENT)
def test_every_current_python_serves_from_the_file_alone(version, tmp_path):
    """-I and -S: nothing of the interpreter's own packages, of this tree or of the environment can fill a gap."""
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nexec {PYTHONS[version][0]} -I -S "$@"\n')
    launcher.chmod(0o755)
    with Registry(tmp_path / "data", python=str(launcher)) as registry, Client(registry.address) as client:
        digest = client.push_image("smoke/test", "latest", [b"one", b"two" * 1000])
        assert client.pull_image("smoke/test", digest) == [b"one", b"two" * 1000]
        for command in ("version", "check", "gc", "config show"):
            done = registry.run(*command.split())
            assert done.returncode == 0, done.stderr
    assert "Traceback" not in registry.log.read_text()


# Counts what is compiled out of the archive while a command runs and the server's modules are imported.
COUNTED = """
import collections, runpy, sys
compiled = collections.Counter()
sys.addaudithook(lambda event, arguments: event == "compile" and compiled.update([str(arguments[1])]))
sys.argv[:] = [sys.argv[1], "version"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
sys.path.insert(0, sys.argv[0])
import dockboard_registry.server.serve
print(*(f"{count} {name}" for name, count in compiled.items() if name.startswith(sys.argv[0])), sep="\\n")
"""


@pytest.mark.parametrize("version", CURRENT)
def test_a_start_compiles_each_module_once(version):
    """Python's own way from an archive is to compile twice; only what comes before that is mended is still on it."""
    command = [PYTHONS[version][0], "-I", "-c", COUNTED, str(registry_pyz())]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    counts = {
        name.removeprefix(f"{registry_pyz()}{os.sep}"): int(count)
        for count, name in (line.split(" ", 1) for line in lines)
    }
    early = {"__main__.py", "dockboard_registry/__init__.py", "dockboard_registry/archive.py"}
    assert {"tornado/iostream.py", "dockboard_registry/server/worker.py", "dockboard_registry/db/__init__.py"} <= set(
        counts
    )
    assert {name for name, count in counts.items() if count > 1} <= early, counts


@pytest.mark.skipif(not OUTDATED, reason="this machine has no Python before 3.11")
@pytest.mark.parametrize("version", OUTDATED)
def test_an_outdated_python_is_refused_in_words(version, checkout):
    python = PYTHONS[version][0]
    for command in ([str(registry_pyz())], [str(checkout / "build_zipapp.py")], ["-m", "dockboard_registry"]):
        done = subprocess.run([python, *command], capture_output=True, text=True, cwd=checkout)
        assert done.returncode == 1
        assert f"needs Python 3.11 or later; this is Python {version} (" in done.stderr
        assert "Traceback" not in done.stderr and "SyntaxError" not in done.stderr


def test_the_tests_use_the_packages_that_are_packed():
    """Unit tests import from an environment of their own, which has to hold the same versions."""
    wanted = dict(
        re.findall(
            r"^(tornado|pymysql|libpass)==(\S+)$", (REPOSITORY / "tests/requirements.txt").read_text(), re.MULTILINE
        )
    )
    packed = dict(re.findall(r'Package\(\s*"([^"]+)",\s*"([^"]+)"', (REPOSITORY / "build_zipapp.py").read_text()))
    assert wanted == packed and len(packed) == 3
