"""docs/performance.md: the figures of one run between two marks; everything around them is written by hand and kept."""

from __future__ import annotations

from pathlib import Path

from tests.bench.results import markdown_table, missed, table

BEGIN = "<!-- figures: written by tests/bench/run --report -->"
END = "<!-- end of figures -->"


def write(document: dict, path: Path) -> None:
    """Replace what is between the marks; ValueError when the file has no marks, so that nothing by hand is lost."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} has no lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{_figures(document)}\n{END}{after}")


def _figures(document: dict) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    options = document["options"]
    kind = "quick" if options["quick"] else "full"
    if options["only"]:
        kind += ", only " + " and ".join(options["only"])
    parts = [
        f"Run of {document['when']} ({kind}, {options['rounds']} rounds) on: {machine}.",
        markdown_table(table(document)),
        _verdict(document),
        *document["notes"],
    ]
    return "\n\n".join(parts)


def _verdict(document: dict) -> str:
    bars = sum(len(row["bars"]) for row in document["rows"])
    misses = missed(document)
    if not misses:
        return f"All {bars} bars are met."
    return f"Of {bars} bars, these are missed:\n\n" + "\n".join(f"- {miss}" for miss in misses)
