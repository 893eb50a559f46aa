"""Measure registry.pyz beside distribution 3.1.1 and Debian's docker-registry 2.8.2, and compare with the bars in
bars.py.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    case_accounts,
    case_attacks,
    case_growth,
    case_large,
    case_memory,
    case_mysql,
    case_objects,
    case_pages,
    case_push,
    case_slow,
    case_small,
    case_tls,
    report,
)
from tests.bench.bench import Bench
from tests.bench.client import BadAnswer
from tests.bench.results import missed, save, table, text_table
from tests.bench.servers import ALL, MissingTool, Ours
from tests.bench.servers_other import Nginx

CASES = {
    "small": case_small.run,
    "get": case_large.downloads,
    "put": case_large.uploads,
    "tls": case_tls.run,
    "push": case_push.run,
    "idle": case_memory.idle,
    "upload-memory": case_memory.uploads,
    "pulls": case_memory.pulls,
    "slow": case_slow.run,
    "growth": case_growth.run,
    "mysql": case_mysql.run,
    "objects": case_objects.run,
    "accounts": case_accounts.run,
    "pages": case_pages.run,
    "attacks": case_attacks.run,
}
SERVERS = [*ALL, Nginx.name]
# These choose their servers themselves, ours among them.
ALONE = ("slow", "growth", "mysql", "objects", "accounts", "pages", "attacks")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little data and few rounds: a first look, not a result")
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="NAME", help=f"some of: {' '.join(CASES)}")
    parser.add_argument(
        "--servers", nargs="+", choices=SERVERS, default=SERVERS, metavar="NAME", help=f"some of: {' '.join(SERVERS)}"
    )
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 5; 3 with --quick)")
    parser.add_argument(
        "--json",
        type=Path,
        default=CACHE / "dockboard-registry" / "bench.json",
        metavar="FILE",
        help="default: %(default)s",
    )
    parser.add_argument("--last", action="store_true", help="measure nothing: read the JSON file of the last run")
    parser.add_argument("--report", type=Path, metavar="FILE", help="put the figures into this file, between its marks")
    parser.add_argument(
        "--directory", type=Path, default=Path("/var/tmp"), help="where the data goes (default: %(default)s)"
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 when a bar is missed")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict:
    rounds = options.rounds or (3 if options.quick else 5)
    registries = [name for name in options.servers if name in ALL]
    bench = Bench(
        options.directory, registries, [name for name in options.servers if name not in ALL], rounds, options.quick
    )
    wanted = [
        name
        for name in CASES
        if name in (options.only or CASES) and (name not in ALONE or Ours.name in options.servers)
    ]
    for name, require in (("mysql", case_mysql.require), ("objects", case_objects.require)):
        if name in wanted:
            require()
    for name, case in CASES.items():
        if name in wanted:
            attempt(bench, name, case)
    return bench.results.document({"quick": options.quick, "rounds": rounds, "only": options.only})


def attempt(bench: Bench, name: str, case: Callable[[Bench], None]) -> None:
    """A measurement that fails is a missed bar, and the others go on."""
    try:
        case(bench)
    except (BadAnswer, OSError, RuntimeError) as error:
        failure = f"{name} failed: {type(error).__name__}: {error}"
        bench.say(failure)
        bench.results.failures.append(failure)


def main() -> int:
    options = arguments()
    try:
        document = json.loads(options.json.read_text()) if options.last else measure(options)
    except MissingTool as error:
        print(f"{error}. Or leave it out with --servers or --only.", file=sys.stderr)
        return 2
    save(document, options.json)
    print(text_table(table(document)))
    print(*document["notes"], sep="\n")
    for miss in missed(document):
        print(f"MISS  {miss}")
    if options.report:
        report.write(document, options.report)
    return 1 if options.strict and missed(document) else 0
