"""The command line: each command is one function from the parsed arguments to an exit status.

Exit status: 0 all is well, 1 the command found something wrong, 2 it could not run.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .. import __version__, commit, config
from ..config import ConfigError
from ..errors import FieldInvalid, RegistryError, StartError
from ..wording import why
from . import accounts, copying, doctor, moving, stored
from .loading import load, load_quietly

CANNOT_RUN = 2
# The status that shells report for a program that SIGINT ended.
INTERRUPTED = 130
# Arguments that are names of files.
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
    """Run one command and return its exit status. What went wrong is printed on standard error, one sentence a line."""
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
        # The reader of our output has gone. Python must not try to write the rest of it at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        print(f"registry: {why(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return CANNOT_RUN


def _interrupted(*_: Any) -> None:
    """The first Control-C ends the command in good order, after its current step. The second one ends it at once."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    # The errors of the work that is cut off are of no interest.
    logging.disable(logging.CRITICAL)
    raise KeyboardInterrupt


def open_standard_streams() -> None:
    """Open descriptors 0 to 2 where they are closed.

    Otherwise a database could get one of them, and log lines with it.
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
    """The grammar of the command line. --config, --listen and --data may stand before the command or after it."""
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
    _declare(commands.add_parser, common)
    return top


def _declare(add_parser: Callable[..., argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """All commands, in the order in which the help lists them."""

    def command(name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        made = add_parser(name, help=help, description=help[0].upper() + help[1:] + ".", parents=[common])
        made.set_defaults(run=run)
        return made

    _listen_flag(command("serve", _serve, "serve until stopped; this is what happens without a command"))
    stored.declare(command)
    shown = command("config", _config, "show the configuration in effect, or check it")
    _listen_flag(shown)
    shown.add_argument(
        "what", choices=("show", "check"), help="show: print all keys and values; check: print what is wrong"
    )
    doctor.declare(command)
    copying.declare(command)
    moving.declare(command)
    accounts.declare(add_parser, [common], _on_services)
    command("version", _version, "print version and commit")


def _listen_flag(made: argparse.ArgumentParser) -> None:
    help = "address to serve on (server.listen), 127.0.0.1:5000 without it"
    made.add_argument("--listen", metavar="HOST:PORT", default=argparse.SUPPRESS, help=help)


# The server's modules take most of the start-up time, so only the commands that need them import them.


def _serve(parsed: argparse.Namespace) -> int:
    loaded = load(parsed)
    from ..server.serve import serve

    return serve(loaded)


def _config(parsed: argparse.Namespace) -> int:
    loaded = load(parsed)
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
    """Said by `config check` only, not by each start, because many systems ship fixes without a new version number of
    Python.
    """
    major, minor, micro = sys.version_info[:3]
    wanted = RECOMMENDED.get((major, minor), 0)
    words = "fixes to http, tarfile and ssl, unless your system's package has them"
    return f"Python {major}.{minor}.{micro} is used; {major}.{minor}.{wanted} has {words}" if micro < wanted else ""


def _on_services(parsed: argparse.Namespace, work: Callable[[Any, argparse.Namespace], Awaitable[int | None]]) -> int:
    """Run a command on the database, beside a running server or before the first one."""
    _require_text(parsed)
    loaded = load_quietly(parsed)
    from .. import maintenance

    return maintenance.run_with(loaded, lambda services: work(services.people, parsed)) or 0


def _require_text(parsed: argparse.Namespace) -> None:
    """Arguments are bytes, and the database takes only text. Names of files may be any bytes. Raises FieldInvalid."""
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
