"""The command line: each command is one function from the configuration and its arguments to an exit status.

Exit status: 0 all is well, 1 the command found something wrong, 2 it could not run.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__, commit, config
from ..config import Config, ConfigError
from ..config.database_url import masked
from ..errors import FieldInvalid, RegistryError, StartError
from ..server import logs
from ..wording import counted, why
from . import accounts

FOUND = 1
CANNOT_RUN = 2
# What shells report for a program that SIGINT ended.
INTERRUPTED = 130
BAR_WIDTH = 40
# Arguments that name files.
_FILES = ("config", "data", "output")
# First release of each line with the fixes to http, tarfile and ssl that a server wants.
RECOMMENDED = {(3, 11): 17, (3, 12): 15, (3, 13): 16}

EPILOG = """\
Every key of the configuration file is also a name in the environment: server.workers is DOCKBOARD_SERVER_WORKERS.
The file is overruled by the environment, and that by flags. `config show` prints all keys with their values.

Where other machines reach the server, its first start makes an account `admin` and prints its password once on
standard output. It does not where there are accounts, or where auth.anonymous is pull or push.
`user passwd admin` sets another password."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. What can't be done is said in a sentence on standard error."""
    open_standard_streams()
    signal.signal(signal.SIGINT, _interrupted)
    parsed = parser().parse_args(arguments)
    try:
        return parsed.run(parsed) or 0
    except (ConfigError, StartError) as error:
        for line in str(error).splitlines():
            print(f"registry: {line}", file=sys.stderr)
    except RegistryError as error:
        print(f"registry: {error.cause}; {error.next}", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not try to write the rest of it at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        print(f"registry: {why(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return CANNOT_RUN


def _interrupted(*_: Any) -> None:
    """The first Control-C ends the command in good order, which may take as long as the current step.

    The second one ends it at once.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    # Errors from cutting off the current work are of no interest.
    logging.disable(logging.CRITICAL)
    raise KeyboardInterrupt


def open_standard_streams() -> None:
    """Fill descriptors 0 to 2 where whoever started us closed them: else a database could get one, and log lines with
    it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    # Names may have characters that the terminal's encoding lacks.
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(errors="backslashreplace")


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line; --config, --listen and --data may stand before the command or after it."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", metavar="FILE", help="read this configuration file (TOML)")
    common.add_argument("--data", metavar="DIR", help="data directory (storage.root), ./registry-data without it")
    top = argparse.ArgumentParser(
        prog="registry",
        description="A container registry in one file. Without a command it serves.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    _listen_flag(top)
    top.add_argument("--version", action="version", version=version_line())
    top.set_defaults(run=_serve)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=accounts.Parser)

    def command(name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".", parents=[common])
        made.set_defaults(run=run)
        return made

    _listen_flag(command("serve", _serve, "serve until stopped; this is what happens without a command"))
    _json_flag(
        command(
            "check",
            _check,
            "read everything that is stored and verify it, byte for byte (exit status 1: something is wrong)",
        )
    )
    _json_flag(command("gc", _gc, "collect garbage now, once; safe beside a running server"))
    shown = command("config", _config, "show the configuration in effect, or check it")
    _listen_flag(shown)
    shown.add_argument(
        "what", choices=("show", "check"), help="show: print all keys and values; check: print what is wrong"
    )
    command("migrate", _migrate, "make the data directory and bring the database to this version; serve does so too")
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
    accounts.declare(commands.add_parser, [common], _on_services)
    command("version", _version, "print version and commit")
    return top


def _listen_flag(made: argparse.ArgumentParser) -> None:
    help = "address to serve on (server.listen), 127.0.0.1:5000 without it"
    made.add_argument("--listen", metavar="HOST:PORT", default=argparse.SUPPRESS, help=help)


def _json_flag(made: argparse.ArgumentParser) -> None:
    made.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _load(parsed: argparse.Namespace) -> Config:
    flags = {"config": "config", "listen": "server.listen", "data": "storage.root"}
    return config.load({key: getattr(parsed, name) for name, key in flags.items() if hasattr(parsed, name)})


def _load_quietly(parsed: argparse.Namespace) -> Config:
    """For commands whose output is their result: only warnings are logged beside it."""
    loaded = _load(parsed)
    logs.configure(replace(loaded.log, level="warning"))
    return loaded


# The server's modules take most of the start-up time, so only the commands that need them import them.


def _serve(parsed: argparse.Namespace) -> int:
    loaded = _load(parsed)
    from ..server.serve import serve

    return serve(loaded)


def _check(parsed: argparse.Namespace) -> int:
    loaded = _with_data(_load_quietly(parsed))
    from .. import app

    with Progress() as progress:
        report = app.run_check(loaded, progress.show)
    if parsed.json:
        print(json.dumps(check_document(report)))
    else:
        for problem in report.problems:
            print(f"{problem.kind} {problem.object}: {problem.detail}")
        looked_at = (counted(getattr(report, noun + "s"), noun) for noun in ("blob", "manifest", "byte"))
        print(
            f"{', '.join(looked_at)}: {counted(len(report.problems), 'problem') if report.problems else 'all is well'}"
        )
    return FOUND if report.problems else 0


def check_document(report: Any) -> dict[str, Any]:
    """A CheckReport as `check --json` prints it."""
    problems = [{"kind": item.kind, "object": item.object, "detail": item.detail} for item in report.problems]
    counts = {name: getattr(report, name) for name in ("blobs", "manifests", "bytes")}
    return {"ok": not problems, **counts, "problems": problems}


def _gc(parsed: argparse.Namespace) -> int:
    loaded = _with_data(_load_quietly(parsed))
    from .. import app

    report, deletion = app.run_gc(loaded)
    counts = {name: getattr(report, name) for name in ("links", "blobs", "keys", "uploads", "strays", "bytes")}
    if parsed.json:
        print(json.dumps(counts))
    else:
        print(
            f"dropped {counted(report.links, 'blob')} from repositories, {report.blobs:,} from the registry,"
            f" {counted(report.uploads, 'stale upload')}; removed {counted(report.keys, 'file')} and"
            f" {counted(report.strays, 'stray')}: {counted(report.bytes, 'byte')}"
        )
    if deletion.undeleted:
        print(
            f"registry: {counted(deletion.undeleted, 'stored file')} can't be deleted: {deletion.why}. Mend that, and"
            " run gc again",
            file=sys.stderr,
        )
    return 0


def _with_data(loaded: Config) -> Config:
    """The configuration, when there is data to work on: a mistyped --data must not count as a clean, empty registry."""
    if not loaded.storage.root.is_dir():
        raise StartError(
            f"there is no data directory {loaded.storage.root}: name the right one with --data DIR (storage.root)"
        )
    return loaded


def _config(parsed: argparse.Namespace) -> int:
    loaded = _load(parsed)
    if parsed.what == "show":
        print(config.show(loaded))
        return 0
    from ..server import tls

    tls.context(loaded.server)
    print("the configuration is valid")
    if advice := _python_advice():
        print(f"registry: {advice}", file=sys.stderr)
    return 0


def _python_advice() -> str:
    """Only `config check` says this, not each start: many systems ship fixes without a new version number of Python."""
    major, minor, micro = sys.version_info[:3]
    wanted = RECOMMENDED.get((major, minor), 0)
    words = "fixes to http, tarfile and ssl, unless your system's package has them"
    return f"Python {major}.{minor}.{micro} is used; {major}.{minor}.{wanted} has {words}" if micro < wanted else ""


def _migrate(parsed: argparse.Namespace) -> int:
    loaded = _load_quietly(parsed)
    from .. import app

    applied = app.run_migrate(loaded)
    print("\n".join(f"applied {name}" for name in applied) or "the database is up to date")
    return 0


def _copy_database(parsed: argparse.Namespace) -> int:
    from .. import app
    from ..config import kinds

    urls = _given_url("--from", parsed.source), _given_url("--to", parsed.target)
    for name, url in zip(("--from", "--to"), urls):
        try:
            if not kinds.DatabaseUrl().check(url):
                raise ValueError("must name a database")
        except ValueError as error:
            raise StartError(f"{name} {error}") from None
    try:
        with Progress() as progress:
            report = app.run_copy(*urls, progress.show, _load(parsed).storage.root)
    except KeyboardInterrupt:
        print("registry: the copy is not whole yet; run the same command again to go on", file=sys.stderr)
        raise
    print(
        f"copied and compared {counted(report.rows, 'row')} of {counted(report.tables, 'table')}; put the new URL into"
        " database.url"
    )
    return 0


def _given_url(flag: str, text: str) -> str:
    """The URL itself, or the URL in a file or on standard input, which keeps its password out of the list of processes.

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
    """Overwrite a URL's password in what the system shows of this process's command line; where that can't be done it
    stays.

    Fields 48 and 49 of /proc/self/stat say where that line is (proc(5)).
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
    loaded = _with_data(_load_quietly(parsed))
    from .. import app

    app.take_store(loaded)
    print("the store belongs to this database again; run `registry.pyz check` to see whether everything is there")
    return 0


def _on_services(parsed: argparse.Namespace, work: Callable[[Any, argparse.Namespace], Awaitable[int | None]]) -> int:
    """A command on the database itself, beside a running server, or before the first one."""
    _require_text(parsed)
    loaded = _load_quietly(parsed)
    from .. import app

    return app.run_with(loaded, lambda services: work(services.people, parsed)) or 0


def _require_text(parsed: argparse.Namespace) -> None:
    """Arguments are bytes; what goes into the database has to be text.

    Names of files may be any bytes. Raises FieldInvalid.
    """
    for name, value in vars(parsed).items():
        if isinstance(value, str) and name not in _FILES and value != value.encode("utf-8", "replace").decode():
            raise FieldInvalid(
                f"an argument is not UTF-8 text: {value[:60]!a}",
                "write it in UTF-8, and see that the terminal does (locale, LANG)",
            )


def _version(parsed: argparse.Namespace) -> int:
    print(version_line())
    return 0


def version_line() -> str:
    major, minor, micro = sys.version_info[:3]
    return f"Dockboard Registry {__version__} (commit {commit()}, Python {major}.{minor}.{micro})"


class Progress:
    """A bar on standard error, where that is a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = -1

    def show(self, done: int, total: int) -> None:
        """Draw the bar when it has moved by at least one part in a thousand."""
        part = 1000 * done // total if total else 1000
        if not self._terminal or part == self._shown:
            return
        self._shown = part
        filled = "#" * (BAR_WIDTH * part // 1000)
        sys.stderr.write(f"\r[{filled:<{BAR_WIDTH}}] {part / 10:5.1f} %  {done:,} of {total:,}\x1b[K")
        sys.stderr.flush()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown >= 0:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
