"""`copy-storage`: from one store to another, while servers run."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

from ..config import Config, StorageConfig, checks, kinds
from ..errors import StartError
from ..wording import counted, sized
from .copying import given_url
from .loading import load_quietly, with_data
from .progress import BytesProgress

FOUND = 1
MOST_AT_ONCE = 8


def declare(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command. command(name, run, help) adds one."""
    made = command(
        "copy-storage",
        _copy_storage,
        "copy all blobs to another store while the servers run, and verify each; an interrupted copy is continued",
    )
    made.add_argument(
        "--to",
        dest="target",
        metavar="URL",
        required=True,
        help="the other store, as in storage.url, or a directory; @FILE reads it from a file",
    )
    made.add_argument(
        "--to-credentials",
        metavar="FILE",
        help="keys of the other store, as in storage.credentials_file; without it those of this configuration",
    )
    made.add_argument(
        "--switch",
        action="store_true",
        help="make it the registry's store afterwards; pushes wait for some seconds, and pulls go on",
    )
    made.add_argument(
        "--without-damaged", action="store_true", help="switch although there are blobs that can't be copied"
    )
    made.add_argument(
        "--at-once", type=int, default=4, metavar="N", help=f"blobs to copy at once, 1 to {MOST_AT_ONCE}; 4 without it"
    )


def _copy_storage(parsed: argparse.Namespace) -> int:
    if not 1 <= parsed.at_once <= MOST_AT_ONCE:
        raise StartError(f"--at-once must be 1 to {MOST_AT_ONCE}")
    loaded = with_data(load_quietly(parsed))
    target = _target(loaded, given_url("--to", parsed.target), parsed.to_credentials)
    from .. import maintenance

    order = maintenance.MoveOrder(target, parsed.at_once, parsed.switch, parsed.without_damaged)
    try:
        with BytesProgress() as progress:
            report = maintenance.run_storage_copy(loaded, order, progress.show)
    except KeyboardInterrupt:
        print("registry: the copy is not whole yet; run the same command again to go on", file=sys.stderr)
        raise
    print(f"copied and verified {counted(report.blobs, 'blob')}, {sized(report.bytes)}, to {report.place}")
    for problem in report.problems:
        print(f"not copied: {problem.kind} {problem.object}: {problem.detail}")
    print(_next_step(report, parsed, loaded))
    accepted = report.paused is not None and parsed.without_damaged
    return FOUND if report.problems and not accepted else 0


def _next_step(report, parsed: argparse.Namespace, loaded: Config) -> str:
    if report.paused is not None:
        setting = "storage.url" if "://" in report.place else "storage.root, and leave storage.url out"
        if "://" not in report.place and not loaded.database.url:
            # Otherwise the database would be looked for in the new directory.
            setting += f"; set database.url to sqlite:{loaded.database_place}, because the database stays there"
        return (
            f"it is the registry's store now; pushes waited for {report.paused:.1f} s. Name it in {setting}, and"
            " restart every server: until then pulls go on, and pushes of layers are answered 503"
        )
    if report.problems and parsed.switch:
        return "the store was not switched: push these blobs again or delete them, or add --without-damaged"
    return "nothing else has changed; to make it the registry's store, run the same command with --switch"


def _target(config: Config, place: str, credentials: str | None) -> StorageConfig:
    """The section `storage` that the place would be in. Raises StartError."""
    try:
        if "://" not in place:
            return replace(config.storage, url=None, root=kinds.Directory().check(place))
        section = replace(config.storage, url=kinds.ObjectStoreUrl().check(place))
    except ValueError as error:
        raise StartError(f"--to {error}") from None
    if credentials is not None:
        section = replace(section, credentials_file=credentials, access_key="", secret_key="", session_token="")
    if problems := checks.storage_problems(section):
        raise StartError("\n".join(f"--to: {problem}" for problem in problems))
    return section
