"""`check`, `gc` and `migrate`: commands on all that is stored."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from ..errors import StartError
from ..wording import counted
from .loading import load_quietly, with_data
from .progress import Progress

FOUND = 1


def declare(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the three commands. command(name, run, help) adds one."""
    help = "read everything that is stored and verify it, byte for byte (exit status 1: something is wrong)"
    checked = command("check", _check, help)
    checked.add_argument(
        "--storage",
        action="store_true",
        help="compare the list of blobs with the store's, and read nothing: what is missing, of other size, left over",
    )
    checked.add_argument("--read", action="store_true", help="with --storage: verify the bytes of each blob too")
    _json_flag(checked)
    _json_flag(command("gc", _gc, "collect garbage now, once; safe beside a running server"))
    command("migrate", _migrate, "make the data directory and bring the database to this version; serve does so too")


def _json_flag(made: argparse.ArgumentParser) -> None:
    made.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _check(parsed: argparse.Namespace) -> int:
    if parsed.read and not parsed.storage:
        raise StartError("--read belongs to --storage: check without --storage reads everything anyway")
    loaded = with_data(load_quietly(parsed))
    from .. import maintenance

    with Progress() as progress:
        if parsed.storage:
            report = maintenance.run_storage_check(loaded, progress.show, parsed.read)
        else:
            report = maintenance.run_check(loaded, progress.show)
    document = (storage_document if parsed.storage else check_document)(report)
    if parsed.json:
        print(json.dumps(document))
    else:
        _print_report(report, *_looked_at(parsed))
    return 0 if document["ok"] else FOUND


def _looked_at(parsed: argparse.Namespace) -> list[str]:
    """What the command counts."""
    return ["blob", "key" if parsed.storage else "manifest", *(["byte"] if parsed.read or not parsed.storage else [])]


def _print_report(report: Any, *nouns: str) -> None:
    """nouns: what was looked at."""
    for problem in report.problems:
        print(f"{problem.kind} {problem.object}: {problem.detail}")
    found = getattr(report, "found", len(report.problems))
    if more := found - len(report.problems):
        print(f"and {counted(more, 'problem')} more")
    if young := getattr(report, "young", 0):
        print(f"{counted(young, 'young key')} without a blob: part of a push under way, or left over by one")
    looked_at = (counted(getattr(report, noun + "s"), noun) for noun in nouns)
    print(f"{', '.join(looked_at)}: {counted(found, 'problem') if found else 'all is well'}")


def check_document(report: Any) -> dict[str, Any]:
    """A CheckReport as `check --json` prints it."""
    counts = {name: getattr(report, name) for name in ("blobs", "manifests", "bytes")}
    return {"ok": not report.problems, **counts, "problems": _listed(report)}


def storage_document(report: Any) -> dict[str, Any]:
    """A StorageReport as `check --storage --json` prints it."""
    counts = {name: getattr(report, name) for name in ("blobs", "keys", "bytes", "young", "found")}
    return {"ok": not report.found, **counts, "problems": _listed(report)}


def _listed(report: Any) -> list[dict[str, str]]:
    return [problem._asdict() for problem in report.problems]


def _gc(parsed: argparse.Namespace) -> int:
    loaded = with_data(load_quietly(parsed))
    from .. import maintenance

    removed = maintenance.run_gc(loaded)
    report = removed.report
    counts = {name: getattr(report, name) for name in ("links", "blobs", "keys", "uploads", "strays", "bytes")}
    if parsed.json:
        print(json.dumps(counts))
    else:
        print(
            f"dropped {counted(report.links, 'blob')} from repositories, {report.blobs:,} from the registry,"
            f" {counted(report.uploads, 'stale upload')}; removed {counted(report.keys, 'file')} and"
            f" {counted(report.strays, 'stray')}: {counted(report.bytes, 'byte')}"
        )
    if removed.undeleted:
        print(
            f"registry: {counted(removed.undeleted, 'stored file')} can't be deleted: {removed.why}. Mend that, and"
            " run gc again",
            file=sys.stderr,
        )
    return 0


def _migrate(parsed: argparse.Namespace) -> int:
    loaded = load_quietly(parsed)
    from .. import maintenance

    applied = maintenance.run_migrate(loaded)
    print("\n".join(f"applied {name}" for name in applied) or "the database is up to date")
    return 0
