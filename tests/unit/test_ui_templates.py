"""Mistakes in templates that show only where a page takes another way: names that hide each other, and sentences that
lack a value.
"""

import ast
import string
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from dockboard_registry.web.ui import language, templates

UI = Path(str(files("dockboard_registry.web.ui")))
TEMPLATES = sorted(path.relative_to(UI / "templates").as_posix() for path in (UI / "templates").rglob("*.html"))
# How a sentence is named in the program: the function, and which of its arguments is the id.
SAYS = {"t": 0, "Wrong": 0, "redirect": 1, "go_on": 0}
# Arguments of these functions that are no values of the sentence.
OTHERS = {"kind"}
# The script of the pages puts the value into these.
OF_THE_SCRIPT = {"frame.shown", "frame.chosen"}


def compiled(name: str) -> ast.Module:
    """The Python that a template becomes. Templates that it includes or extends are part of it."""
    return ast.parse(templates._loader.load(name).code)


def stored(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def hidden(statements: Iterable[ast.stmt], known: set[str], watched: set[str]) -> Iterator[str]:
    """Which of the watched names are read where neither a loop around them nor a line before them sets them."""
    known = set(known)
    for each in statements:
        inside, blocks = known | stored(each.target) if isinstance(each, ast.For) else known, []
        for _, value in ast.iter_fields(each):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                blocks.append(value)
            else:
                yield from read(value if isinstance(value, list) else [value], known, watched)
        for block in blocks:
            yield from hidden(block, inside, watched)
        if isinstance(each, ast.Assign):
            known |= stored(each)


def read(nodes: Iterable[object], known: set[str], watched: set[str]) -> Iterator[str]:
    """The same of expressions. Comprehensions have names of their own."""
    for node in nodes:
        if isinstance(node, ast.AST):
            own = {name for each in ast.walk(node) if isinstance(each, ast.comprehension) for name in stored(each)}
            for each in ast.walk(node):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load) and each.id in watched - known - own:
                    yield each.id


def hides(module: ast.Module) -> set[str]:
    """Names of values of the page that a loop, or a `set`, of the template takes away from the rest of it."""
    (function,) = [each for each in module.body if isinstance(each, ast.FunctionDef)]
    watched = {name for each in function.body for name in named(each)} - {"_"}
    return {name for name in hidden(function.body, set(), watched) if not name.startswith("_tt_")}


def named(statement: ast.stmt) -> set[str]:
    """What a template names itself, and not within a comprehension."""
    own = {name for each in ast.walk(statement) if isinstance(each, ast.comprehension) for name in stored(each)}
    outside = {name for each in ast.walk(statement) if isinstance(each, ast.For | ast.Assign) for name in targets(each)}
    return outside | (stored(statement) - own)


def targets(node: ast.For | ast.Assign) -> set[str]:
    return {name for each in ([node.target] if isinstance(node, ast.For) else node.targets) for name in stored(each)}


def test_no_name_of_a_template_hides_a_value_of_the_page():
    """Tornado makes one function of a page: a name that is set anywhere in it is no value of the page anywhere else."""
    assert {name: found for name in TEMPLATES if (found := hides(compiled(name)))} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ page }}{% for page in pages %}{{ page }}{% end %}", {"page"}),
        ("{% for page in pages %}{{ page }}{% end %}{{ page }}", {"page"}),
        ("{% for title in title %}{% end %}", {"title"}),
        ("{% if a %}{% set b = 1 %}{% end %}{{ b }}", {"b"}),
        ("{% set b = 1 %}{% if a %}{{ b }}{% end %}", set()),
        ("{% for one in [page for page in pages] %}{{ one }}{% end %}", set()),
        ("{% for a, b in pairs %}{% for c in a %}{{ a }}{{ b }}{{ c }}{% end %}{% end %}", set()),
    ],
)
def test_hidden_names_are_found(text, found):
    assert hides(ast.parse(templates.Template(text, loader=templates._loader).code)) == found


def ids(node: ast.expr) -> list[str]:
    """The ids that an expression may be, as far as they stand there."""
    if isinstance(node, ast.IfExp):
        return ids(node.body) + ids(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def needs(id: str) -> set[str]:
    """The values that a sentence names, in either language."""
    forms = [form for each in language.LANGUAGES for form in language._sentences(each)[id]]
    return {name for form in forms for _, name, _, _ in string.Formatter().parse(form) if name is not None}


def lacking(module: ast.Module) -> Iterator[str]:
    """The sentences of a source that are said without one of their values."""
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        function = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        place = SAYS.get(function)
        if place is None or len(call.args) <= place or any(each.arg is None for each in call.keywords):
            continue
        given = {each.arg for each in call.keywords} - OTHERS
        for id in ids(call.args[place]):
            if id in language._sentences("en").keys() - OF_THE_SCRIPT and needs(id) - given:
                yield f"line {call.lineno}: {id} without {sorted(needs(id) - given)}"


def test_sentences_have_all_their_values():
    """A page that lacks one is an error of the server."""
    sources = {name: compiled(name) for name in TEMPLATES}
    sources |= {path.relative_to(UI).as_posix(): ast.parse(path.read_text()) for path in UI.rglob("*.py")}
    assert {name: found for name, source in sources.items() if (found := list(lacking(source)))} == {}


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ('t("frame.zone")', 1),
        ('t("frame.zone", zone=1)', 0),
        ('visit.t("frame.zone" if x else "frame.skip")', 1),
        ('t("part." + unit)', 0),
        ('visit.redirect("/", "frame.zone")', 1),
        ('visit.redirect("/", "frame.zone", zone="UTC")', 0),
    ],
)
def test_missing_values_are_found(source, wrong):
    assert bool(list(lacking(ast.parse(source)))) == bool(wrong)
