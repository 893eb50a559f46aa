"""`check`, `gc` and `migrate`: commands on all that is stored."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from ..wording import counted
from .loading import load_quietly, with_data
from .progress import Progress

FOUND = 1


def declare(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the three commands. command(name, run, help) adds one."""
    help = "read everything that is stored and verify it, byte for byte (exit status 1: something is wrong)"
    _json_flag(command("check", _check, help))
    _json_flag(command("gc", _gc, "collect garbage now, once; safe beside a running server"))
    command("migrate", _migrate, "make the data directory and bring the database to this version; serve does so too")


def _json_flag(made: argparse.ArgumentParser) -> None:
    made.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _check(parsed: argparse.Namespace) -> int:
    loaded = with_data(load_quietly(parsed))
    from .. import maintenance

    with Progress() as progress:
        report = maintenance.run_check(loaded, progress.show)
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
