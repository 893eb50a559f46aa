#!/usr/bin/env python3
"""Write registry.pyz: the program, its three packages and their licences in one file, the same bytes at every build.

Of the packages only the modules that the program imports are packed. All modules are packed without comments and
docstrings: docstrings take memory in each server.

Needs Python 3.11 or later and, the first time, pip and a package index; the packages are then kept in
~/.cache/dockboard-registry (or $XDG_CACHE_HOME). What is packed is exactly what PACKAGES names, by version and SHA-256.
"""

import sys

# Everything above and including this line, and the grammar of the whole file, is for old Pythons too: they should say
# this.
if sys.version_info < (3, 11):
    sys.exit(
        "build_zipapp.py needs Python 3.11 or later; this is Python %d.%d (%s)"
        % (sys.version_info[:2] + (sys.executable,))
    )

import argparse
import ast
import hashlib
import io
import os
import re
import subprocess
import tempfile
import tokenize
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGE = "dockboard_registry"
SIZE_LIMIT = 1_000_000
SHEBANG = b"#!/usr/bin/env python3\n"
# The oldest date that a zip can hold.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)

MAIN = """\
import sys

if sys.version_info < (3, 11):
    this = sys.version_info[:2] + (sys.executable,)
    sys.exit("registry.pyz needs Python 3.11 or later; this is Python %d.%d (%s)" % this)

try:
    from dockboard_registry.archive import compile_once

    compile_once()

    from dockboard_registry.__main__ import main

    sys.exit(main())
except KeyboardInterrupt:
    # So early that the program could not yet see to it.
    sys.exit(130)
"""

NO_PIP = """\
This Python ({executable}) has no pip, and it could not be set up for the build:
{reason}
Install it (Debian, Ubuntu: apt-get install python3-venv; Fedora: dnf install python3-pip),
or build with another Python."""

NO_PACKAGES = """\
pip could not download the packages that registry.pyz consists of:
{reason}
They come from the package index that pip is set up for; the first build needs it, later ones do not."""


@dataclass(frozen=True)
class Package:
    """A wheel, pinned. `modules`: those that are packed, without the package's name and .py; empty: all of them."""

    name: str
    version: str
    sha256: str
    modules: str = ""

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.whl"


PACKAGES = (
    # One platform's wheel for all: without its optional C module it is pure Python. HTTP and the event loop.
    Package(
        "tornado",
        "6.6.1",
        "1b6ff57cc69b339f8feb9e7b567b0e0eacb16bfaf234159496623ef7a67ba640",
        "__init__ concurrent escape gen http1connection httputil ioloop iostream log netutil platform/__init__"
        " platform/asyncio template util",
    ),
    Package("pymysql", "1.2.4", "e169bed906168fffd0088925f45b3df024c2775c6fd128da0df773d47c458840"),
    # Its import name is passlib. Hashes of htpasswd files, and no other ones.
    Package(
        "libpass",
        "1.9.4",
        "a608621af2d7d64579957988fac287f230f88792c83a2d0f895afb05ee429489",
        "__init__ _logging crypto/__init__ crypto/_blowfish/__init__ crypto/_blowfish/base crypto/_blowfish/unrolled"
        " exc handlers/__init__ handlers/ldap_digests handlers/md5_crypt handlers/misc handlers/sha2_crypt hash ifc"
        " registry utils/__init__ utils/binary utils/compat/__init__ utils/decor utils/handlers",
    ),
)
PLATFORM = (
    "--implementation",
    "cp",
    "--python-version",
    "3.11",
    "--abi",
    "abi3",
    "--platform",
    "manylinux_2_28_x86_64",
)


class BuildError(Exception):
    """The build cannot go on; the message says why and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build registry.pyz.")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "registry.pyz", help="file to write (default: %(default)s)"
    )
    output = parser.parse_args().output
    try:
        write(output, members())
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{output}: {output.stat().st_size:,} bytes, version {version()}, commit {commit()}")
    return 0


def members() -> dict[str, bytes]:
    """Path in the archive -> content."""
    found = {"__main__.py": MAIN.encode(), "licenses/dockboard-registry/LICENSE": (ROOT / "LICENSE").read_bytes()}
    found[f"{PACKAGE}/_stamp.py"] = f'COMMIT = "{commit()}"\n'.encode()
    for name, data in tree(ROOT / PACKAGE, PACKAGE):
        found[name] = without_comments(data) if name.endswith(".py") else data
    found.update({name: data for name, data in tree(ROOT / "schema", f"{PACKAGE}/schema") if name.endswith(".sql")})
    for package, wheel in wheels():
        found.update(wheel_members(package, wheel))
    return found


def tree(directory: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """The files of a source directory; not what Python, editors or merges leave there."""
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        left_over = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not left_over and not path.name.endswith((".pyc", "~", ".orig", ".rej")):
            yield "/".join((prefix, *parts)), path.read_bytes()


def wheel_members(package: Package, wheel: Path) -> Iterator[tuple[str, bytes]]:
    """What a wheel brings: its modules, and its licences under licenses/."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if is_packed(package, name):
                yield name, without_comments(archive.read(name))
            elif re.search(r"/(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*\Z", name):
                yield f"licenses/{package.name}/{name.rpartition('/')[2]}", archive.read(name)


# The last line of each module of a package: the Apache License asks for a note of changes.
NOTE = b"# Packed in registry.pyz without comments and docstrings.\n"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def without_comments(source: bytes) -> bytes:
    """A module without comments and docstrings. Notices of copyright stay, and each statement stays on its line."""
    lines, tree = source.splitlines(keepends=True), ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and "copyright" not in (ast.get_docstring(node) or "copyright").lower():
            clear(lines, node.body[0])
    first = tree.body[0].lineno if tree.body else len(lines)
    for token in tokenize.tokenize(io.BytesIO(b"".join(lines)).readline):
        line, column = token.start
        if token.type == tokenize.COMMENT and line > first:
            lines[line - 1] = token.line[:column].rstrip().encode() + b"\n"
    return b"".join(lines) + NOTE if source else source


def clear(lines: list[bytes], docstring: ast.stmt) -> None:
    """Let an empty text stand in its place: a body needs a statement."""
    first, last = docstring.lineno - 1, docstring.end_lineno - 1
    lines[first] = lines[first][: docstring.col_offset] + b'""' + lines[last][docstring.end_col_offset :]
    lines[first + 1 : last + 1] = [b"\n"] * (last - first)


def is_packed(package: Package, name: str) -> bool:
    """Whether this path in the wheel is a module that the program needs."""
    module = name.partition("/")[2].removesuffix(".py")
    return name.endswith(".py") and (not package.modules or module in package.modules.split())


def write(output: Path, contents: dict[str, bytes]) -> None:
    """Write the archive under a temporary name, then put it in its place."""
    temporary = output.with_name(output.name + ".new")
    with open(temporary, "wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name in sorted(contents):
                archive.writestr(entry(name), contents[name], zipfile.ZIP_DEFLATED, 9)
    size = temporary.stat().st_size
    if size >= SIZE_LIMIT:
        temporary.unlink()
        raise BuildError(f"registry.pyz would have {size:,} bytes; its limit is {SIZE_LIMIT:,}")
    temporary.chmod(0o755)
    os.replace(temporary, output)


def entry(name: str) -> zipfile.ZipInfo:
    """A directory entry that depends on nothing but the name."""
    info = zipfile.ZipInfo(name, TIMESTAMP)
    info.create_system = 3
    info.external_attr = 0o100644 << 16
    return info


def version() -> str:
    found = re.search(r'^__version__ = "([^"]+)"$', (ROOT / PACKAGE / "__init__.py").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{PACKAGE}/__init__.py names no __version__")
    return found[1]


def commit() -> str:
    """The commit that is packed, with +dirty when the files differ from it; `unknown` outside git."""
    head = git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown"
    changed = git("status", "--porcelain", "--", PACKAGE, "schema", "build_zipapp.py", "LICENSE")
    return head + ("+dirty" if changed else "")


def git(*arguments: str) -> str:
    """What git prints, or nothing where there is no git or ROOT is not the top of a repository."""
    if not (ROOT / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def wheels() -> Iterator[tuple[Package, Path]]:
    """Every package with its wheel in the cache, downloaded when it is not there; hashes are checked each time."""
    cache = cache_directory()
    missing = [package for package in PACKAGES if not has_hash(cache / package.file_name, package.sha256)]
    if missing:
        download(missing, cache)
    for package in PACKAGES:
        yield package, cache / package.file_name


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base, "dockboard-registry", "wheels")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def has_hash(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def download(packages: list[Package], cache: Path) -> None:
    """Put the wheels of these packages into the cache directory."""
    with tempfile.TemporaryDirectory(prefix="dockboard-build-", dir=cache) as work:
        requirements = Path(work, "requirements.txt")
        requirements.write_text("".join(package.requirement + "\n" for package in packages))
        command = [*pip(Path(work)), "download", "--quiet", "--no-deps", "--only-binary=:all:", *PLATFORM]
        done = run([*command, "--require-hashes", "--dest", work, "--requirement", str(requirements)])
        if done.returncode != 0:
            raise BuildError(NO_PACKAGES.format(reason=done.stderr.strip()))
        for package in packages:
            found = [path for path in Path(work).glob("*.whl") if has_hash(path, package.sha256)]
            if not found:
                raise BuildError(
                    f"pip downloaded {package.name} {package.version}, but not the file that is pinned here"
                )
            os.replace(found[0], cache / package.file_name)


def pip(work: Path) -> list[str]:
    """A command that is pip: this Python's, or one in a temporary virtual environment."""
    quiet = ["--no-input", "--disable-pip-version-check"]
    if run([sys.executable, "-m", "pip", "--version"]).returncode == 0:
        return [sys.executable, "-m", "pip", *quiet]
    done = run([sys.executable, "-m", "venv", str(work / "venv")])
    if done.returncode != 0:
        raise BuildError(NO_PIP.format(executable=sys.executable, reason=(done.stdout + done.stderr).strip()))
    return [str(work / "venv" / "bin" / "python"), "-m", "pip", *quiet]


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
