"""What these commands share: their grammar, the call with the services, secrets, durations, lists."""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...durations import duration as duration
from ...durations import in_future as in_future
from ...errors import FieldInvalid
from ...wording import moment

# A command: it gets the services of account_services.People and the arguments, and returns the exit status.
Work = Callable[[Any, argparse.Namespace], Awaitable[int | None]]
Run = Callable[[argparse.Namespace, Work], int]

REFUSED = 1
_MOST_INPUT = 1 << 20


class CommandWord:
    """A word of the command line. `grammar(name)` declares what may follow it, when that is needed."""

    def __init__(
        self,
        add_parser: Callable[..., Any],
        name: str,
        help: str,
        common: list,
        run: Run,
        grammar: Callable[[str], Callable[["CommandWord"], None]],
    ):
        self._common, self._run = common, run
        self._subparsers: Any = None
        parents = {"parents": common, "help": help, "description": help[0].upper() + help[1:] + "."}
        self.parser = add_parser(name, **parents)
        self.parser.grammar = lambda: grammar(name)(self)
        self.parser.set_defaults(run=lambda parsed: _incomplete(self.parser))

    def completes(self, work: Work) -> argparse.ArgumentParser:
        """Let only arguments follow. The caller adds them to the parser."""
        self.parser.set_defaults(run=lambda parsed: self._run(parsed, work))
        return self.parser

    def command(self, name: str, work: Work, help: str) -> argparse.ArgumentParser:
        """A word that may follow and completes the command."""
        return CommandWord(self._add, name, help, self._common, self._run, _nothing).completes(work)

    def group(self, name: str, help: str) -> "CommandWord":
        """A word that may follow and needs another word after it."""
        return CommandWord(self._add, name, help, self._common, self._run, _nothing)

    def _add(self, name: str, **more: Any) -> Any:
        if self._subparsers is None:
            self._subparsers = self.parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
        return self._subparsers.add_parser(name, **more)


class Parser(argparse.ArgumentParser):
    """A parser whose grammar is declared when it is first asked to parse."""

    grammar: Callable[[], None] | None = None

    def parse_known_args(self, args=None, namespace=None):
        if self.grammar is not None:
            grammar, self.grammar = self.grammar, None
            grammar()
        return super().parse_known_args(args, namespace)


def _nothing(name: str) -> Callable[[CommandWord], None]:
    return lambda word: None


def _incomplete(parser: argparse.ArgumentParser) -> int:
    parser.print_help(sys.stderr)
    return 2


def json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def password_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input; without it the terminal is asked",
    )


def operator() -> Any:
    """The Actor of changes by commands: whoever may use the database's files and passwords."""
    from ...domain.audit import Actor

    return Actor("console", f"uid {os.getuid()}")


def password(parsed: argparse.Namespace) -> str:
    """The password: all of standard input without the last line break, or what is typed twice at a terminal.

    Raises FieldInvalid.
    """
    if parsed.password_stdin:
        text = sys.stdin.buffer.read(_MOST_INPUT).decode("utf-8", "surrogateescape")
        return text.removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise FieldInvalid(
            "there is no terminal to ask for the password", "give it on standard input with --password-stdin"
        )
    import getpass

    typed = getpass.getpass("Password: ")
    if getpass.getpass("The same once more: ") != typed:
        raise FieldInvalid("the two passwords are not the same", "type them again")
    return typed


def output_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        metavar="FILE",
        help=(
            "write it into this file instead of printing it; only the owner can read the file; if the command fails,"
            " the file stays as it was"
        ),
    )


@contextlib.contextmanager
def secret_output(parsed: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """A function that prints a secret, or writes it to the file of --output.

    The file is opened before the secret is made. Raises FieldInvalid, OSError.
    """
    if parsed.output is None:
        yield print
        return
    path = Path(parsed.output).resolve()
    if path.exists() and not path.is_file():
        raise FieldInvalid(f"{parsed.output!a} is not a file", "name a file, or leave out --output to print the secret")
    # A temporary file beside it is renamed, so the file is complete or unchanged. mkstemp makes it with mode 0600.
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise FieldInvalid(
            f"can't write {parsed.output!a}: {error.strerror}", "name a file in a directory that you may write to"
        ) from None
    try:
        with os.fdopen(handle, "w") as file:
            yield lambda secret: print(secret, file=file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def yes_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do it without asking")


def confirm(parsed: argparse.Namespace, what_goes: str) -> None:
    """Say what will be deleted and ask, unless --yes was given. Raises FieldInvalid if the answer is not yes."""
    if parsed.yes:
        return
    print(f"{_printable(what_goes)}\nDelete? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    if answer not in ("y", "yes"):
        raise FieldInvalid("nothing was deleted", "answer y, or give --yes in a script")


def show(parsed: argparse.Namespace, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a list: columns for people, or an array of objects with --json.

    Names that end in _at are times: milliseconds since 1970 in JSON, date and time in UTC for people.
    """
    rows = list(rows)
    if parsed.json:
        print(json.dumps([as_json(names, row) for row in rows], indent=2))
        return
    lines = [
        [name.removesuffix("_at") for name in names],
        *([_cell(name, value) for name, value in zip(names, row)] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)).rstrip())


def as_json(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """A row as an object.

    An id is a text, as in the API, because most readers of JSON keep whole numbers only up to 2^53.
    """
    return {name: str(value) if name == "id" else value for name, value in zip(names, row)}


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("_at"):
        return moment(value)
    return ("no", "yes")[value] if isinstance(value, bool) else _printable(str(value))


def _printable(text: str) -> str:
    """What others wrote, on one line, without characters that a terminal would obey."""
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


async def pages(list_page: Callable[[str, int], Awaitable[list]], size: int = 1000) -> list:
    """All items of a list that is read page by page in the order of names."""
    found: list = []
    while page := await list_page(found[-1].name if found else "", size):
        found += page
    return found
