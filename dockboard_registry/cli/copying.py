"""`copy-database` and `take-store`: from one database to another, and back."""

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from ..config.database_url import masked
from ..errors import StartError
from ..wording import counted
from .loading import load, load_quietly, with_data
from .progress import Progress


def declare(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the two commands. command(name, run, help) adds one."""
    copied = command(
        "copy-database",
        _copy_database,
        "copy the whole database into an empty one, for example from SQLite to MySQL; stop the servers first",
    )
    copied.add_argument(
        "--from",
        dest="source",
        metavar="URL",
        required=True,
        help=(
            "URL of the database to copy, as in database.url; @FILE reads the URL from a file, - from a line of"
            " standard input"
        ),
    )
    copied.add_argument(
        "--to",
        dest="target",
        metavar="URL",
        required=True,
        help="URL of an empty database, given in the same ways; an interrupted copy is continued",
    )
    command(
        "take-store", _take_store, "go back to this database after copy-database; what was pushed to the copy is lost"
    )


def _copy_database(parsed: argparse.Namespace) -> int:
    from .. import maintenance
    from ..config import kinds

    urls = given_url("--from", parsed.source), given_url("--to", parsed.target)
    for name, url in zip(("--from", "--to"), urls):
        try:
            if not kinds.DatabaseUrl().check(url):
                raise ValueError("must name a database")
        except ValueError as error:
            raise StartError(f"{name} {error}") from None
    try:
        with Progress() as progress:
            report = maintenance.run_copy(*urls, progress.show, load(parsed))
    except KeyboardInterrupt:
        print("registry: the copy is not whole yet; run the same command again to go on", file=sys.stderr)
        raise
    print(
        f"copied and compared {counted(report.rows, 'row')} of {counted(report.tables, 'table')}; put the new URL into"
        " database.url"
    )
    return 0


def given_url(flag: str, text: str) -> str:
    """The URL itself, or the URL in a file or on standard input. The latter keep the password out of the list of
    processes.

    Raises StartError.
    """
    if text == "-":
        return sys.stdin.readline().strip()
    if not text.startswith("@"):
        hide_password(text)
        return text
    try:
        return Path(text[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(
            f"{flag}: can't read the URL from {text[1:]}: {getattr(error, 'strerror', None) or error}"
        ) from None


def hide_password(url: str) -> None:
    """Overwrite a URL's password in the command line that the system shows of this process. Where that fails the
    password stays.

    Fields 48 and 49 of /proc/self/stat say where the command line is (proc(5)).
    """
    hidden = masked(url)
    secret = url[hidden.find("***") : len(url) - len(hidden.partition("***")[2])].encode()
    if hidden == url or not secret:
        return
    with contextlib.suppress(OSError, ValueError, IndexError):
        numbers = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(numbers[45]), int(numbers[46])
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            line = memory.read(end - start)
            memory.seek(start)
            memory.write(line.replace(secret, b"x" * len(secret)))


def _take_store(parsed: argparse.Namespace) -> int:
    loaded = with_data(load_quietly(parsed))
    from .. import maintenance

    maintenance.take_store(loaded)
    print("the store belongs to this database again; run `registry.pyz check` to see whether everything is there")
    return 0
