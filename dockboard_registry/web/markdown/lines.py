"""What kind of block a line begins."""

import re

from .links import LONGEST

FENCE = re.compile(r" {0,3}(`{3,}+(?=[^`]*\Z)|~{3,}+)")
BULLET = re.compile(r"( {0,3})([-+*]|[0-9]{1,9}[.)])(?: ( *)|\Z)")
QUOTE = re.compile(r" {0,3}> ?")
HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]|\Z)")
UNDERLINE = re.compile(r" {0,3}(=+|-+) *\Z")
DEFINITION = re.compile(
    r" {0,3}\[([^\[\]]{1,200})\]:[ \t]{0,9}(\S{1,%d})(?:[ \t]{1,9}[\"'(].{0,500})?[ \t]{0,9}(?=\n|\Z)" % LONGEST
)
_RULE = {"-", "*", "_"}
_MOST_DEFINITIONS = 1000
_CELL = re.compile(r" *:?-+:? *")
MOST_COLUMNS = 50


def split(text: str) -> list[str]:
    """The lines of a text, without tabs at their beginnings."""
    return [line.expandtabs(4) if line[:4].strip(" ").startswith("\t") else line for line in text.split("\n")]


def is_blank(line: str) -> bool:
    return not line or line.isspace()


def is_rule(line: str) -> bool:
    """Whether it is --- or the like, which divides."""
    bare = line.replace(" ", "")
    return len(bare) >= 3 and bare[0] in _RULE and bare == bare[0] * len(bare) and indent(line) < 4


def indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def interrupts(line: str) -> bool:
    """Whether a paragraph ends before this line."""
    first = line.lstrip(" ")[:1]
    if first not in "#`~>-+*_1" or not first:
        return False
    if HEADING.match(line) or FENCE.match(line) or QUOTE.match(line) or is_rule(line):
        return True
    item = BULLET.match(line)
    return item is not None and (not item[2][:-1] or item[2][:-1] == "1") and not is_blank(line[item.end() :])


def columns(header: str, line: str) -> list[str]:
    """The alignment of each column if this line divides a table's head from its rows: left, right, center or empty.

    Empty if it does not, or if the table has too many columns.
    """
    if "|" not in header or "-" not in line or line.strip("|-: "):
        return []
    cells = cells_of(line)
    if len(cells) > MOST_COLUMNS or len(cells) != len(cells_of(header)) or not all(map(_CELL.fullmatch, cells)):
        return []
    return [_alignment(cell.strip()) for cell in cells]


def _alignment(cell: str) -> str:
    if cell.endswith(":"):
        return "center" if cell.startswith(":") else "right"
    return "left" if cell.startswith(":") else ""


def cells_of(line: str) -> list[str]:
    """The cells of a row of a table."""
    text = line.strip().removeprefix("|")
    if text.endswith("|") and not text.endswith("\\|"):
        text = text[:-1]
    return re.split(r"(?<!\\)\|", text, maxsplit=2 * MOST_COLUMNS)


def definitions(text: str) -> dict[str, str]:
    """Addresses by the labels that the text gives them."""
    found: dict[str, str] = {}
    for line in re.finditer(r"(?m)^ {0,3}\[[^\n]{3,3000}", text):
        given = DEFINITION.match(line[0])
        if given and len(found) < _MOST_DEFINITIONS:
            found.setdefault(given[1], given[2])
    return found
