"""`doctor`: tries what the registry needs, and says in words what is missing."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from ..errors import StartError
from ..steps import FAILED, WARNING, Examined, Step
from ..wording import counted
from .loading import load_quietly

FOUND = 1


def declare(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command. command(name, run, help) adds one."""
    help = "try what the registry needs and say what is missing (exit status 1: something is)"
    made = command("doctor", _doctor, help)
    made.add_argument("areas", nargs="*", metavar="AREA", help="what to examine: storage; all without one")
    made.add_argument("--policy", action="store_true", help="print the rights that the keys of the store need")
    made.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _doctor(parsed: argparse.Namespace) -> int:
    loaded = load_quietly(parsed)
    from ..examinations import AREAS

    for area in parsed.areas:
        if area not in AREAS:
            raise StartError(f"there is nothing to examine of that name: {area[:60]!a}. There is {', '.join(AREAS)}")
    examined = [AREAS[area](loaded) for area in dict.fromkeys(parsed.areas or AREAS)]
    if parsed.json:
        print(json.dumps(document(examined)))
    else:
        print("\n\n".join(_text(each, parsed.policy) for each in examined))
    return 0 if all(each.is_well for each in examined) else FOUND


def document(examined: list[Examined]) -> dict[str, Any]:
    """What `doctor --json` prints."""

    def one(step: Step) -> dict[str, Any]:
        return {**step._asdict(), "seconds": round(step.seconds, 3)}

    areas = [{**each._asdict(), "ok": each.is_well, "steps": [one(step) for step in each.steps]} for each in examined]
    return {"ok": all(each.is_well for each in examined), "areas": areas}


def _text(examined: Examined, with_advice: bool) -> str:
    lines = [f"{examined.area}: {examined.place}", *map(_line, examined.steps), _sum(examined)]
    if examined.advice and (with_advice or examined.is_advised):
        lines += ["", examined.about, examined.advice]
    return "\n".join(lines)


def _line(step: Step) -> str:
    return f"  {step.outcome:8}{step.name:22}{step.words}".rstrip()


def _sum(examined: Examined) -> str:
    counts = {outcome: sum(step.outcome == outcome for step in examined.steps) for outcome in (FAILED, WARNING)}
    if not any(counts.values()):
        return "all is well"
    found = [counted(counts[FAILED], "failure")] if counts[FAILED] else []
    return ", ".join(found + ([counted(counts[WARNING], "warning")] if counts[WARNING] else []))
