"""The arrows of docs/architecture.md, the size of things, and what no module may do, read from the source itself."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "dockboard_registry"


class Parsed(Mapping[str, ast.Module]):
    """The modules in a folder and below, by their paths. Each is parsed when it is first asked for, because every
    process that runs unit tests imports this module, and only one needs the trees.
    """

    def __init__(self, folder: str):
        found = (path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))
        self._trees: dict[str, ast.Module | None] = dict.fromkeys(sorted(found))

    def __getitem__(self, path: str) -> ast.Module:
        if self._trees[path] is None:
            self._trees[path] = ast.parse((ROOT / path).read_text())
        return self._trees[path]

    def __contains__(self, path: object) -> bool:
        return path in self._trees

    def __iter__(self) -> Iterator[str]:
        return iter(self._trees)

    def __len__(self) -> int:
        return len(self._trees)


SOURCES, TESTS = Parsed(PACKAGE), Parsed("tests")

# Layer -> the layers whose modules it may import besides its own. A folder is a layer; of the modules at the top, START
# are the layer `start` and the others are `base`.
ALLOWED = {
    "cli": {"server", "start", "domain", "config", "base"},
    "server": {"start", "web", "http", "metrics", "domain", "db", "storage", "config", "base"},
    "start": {"web", "domain", "db", "storage", "outbound", "config", "base"},
    "web": {"http", "metrics", "domain", "storage", "config", "base"},
    "http": {"storage", "base"},
    "metrics": {"base"},
    "domain": {"db", "storage", "outbound", "base"},
    "db": {"config", "base"},
    "storage": {"outbound", "base"},
    "outbound": {"config", "base"},
    "config": {"base"},
    "base": set(),
}
# What a layer may import of another besides: the errors of the database, which become answers, and its statistics.
CONTRACTS = {"web": {f"{PACKAGE}.db"}, "metrics": {f"{PACKAGE}.db"}}
START = {"app", "account_services", "examinations", "maintenance", "ownership", "periodic_jobs", "startup"}
# What answers clients: none of these imports another.
FACES = ("web/v1/", "web/v2/", "web/api/", "web/ui/")
MOST_MODULES = 20
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dbm", "tarfile", "imp"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint"}
SQL = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|WITH|PRAGMA|BEGIN|COMMIT|ROLLBACK|SAVEPOINT)\b"
)
# Lines at most: of the package, and of tests and the build.
LONGEST_FUNCTION = {PACKAGE: 40, "tests": 60}
LONGEST_FILE = {PACKAGE: 400, "tests": 450}
# Half of the package's functions have at most so many lines, and 95 % at most that many.
MEDIAN_FUNCTION, MOST_FUNCTIONS = 8, 20
LONGEST_LINE = 120


def layer(module: str) -> str:
    """The layer of `dockboard_registry.web.v2` or `dockboard_registry.errors`."""
    top = (module.split(".") + [""])[1]
    if top in START:
        return "start"
    if top == "__main__":
        return "cli"
    return top if top in ALLOWED else "base"


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, wherever it stands; `from package import module` names the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(path, node)
            yield from ((node.lineno, _imported_module(module, alias.name)) for alias in node.names)


def _absolute(path: str, node: ast.ImportFrom) -> str:
    """The module that `from ... import` names, dots resolved."""
    if not node.level:
        return node.module or ""
    folders = path.split("/")[: -node.level]
    return ".".join([*folders, *filter(None, [node.module])])


def _imported_module(module: str, name: str) -> str:
    inside = f"{module}.{name}"
    path = inside.replace(".", "/")
    return inside if f"{path}.py" in SOURCES or f"{path}/__init__.py" in SOURCES else module


def path_of(module: str) -> str:
    """The file of one of the program's modules."""
    path = module.replace(".", "/")
    return f"{path}.py" if f"{path}.py" in SOURCES else f"{path}/__init__.py"


def own(path: str) -> str:
    """The path inside the package."""
    return path.removeprefix(PACKAGE + "/")


def violations(check) -> list[str]:
    """What `check(path, tree)` yields as (line, words), over all of the package."""
    return [f"{path}:{line} {words}" for path, tree in SOURCES.items() for line, words in check(path, tree)]


def test_imports_point_downwards():
    def check(path, tree):
        here = layer(module_of(path))
        for line, module in own_imports(path, tree):
            allowed = ALLOWED[here] | {here}
            if layer(module) not in allowed and module not in CONTRACTS.get(here, ()):
                yield line, f"{here} imports {module} of {layer(module)}"

    assert violations(check) == []


def own_imports(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The imports of the program's own modules."""
    return ((line, module) for line, module in imported(path, tree) if module.split(".")[0] == PACKAGE)


def test_no_modules_import_each_other():
    """Imports within functions count too."""
    names = {module_of(path): tree for path, tree in SOURCES.items()}
    graph = {name: {module for _, module in own_imports(path_of(name), tree)} for name, tree in names.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_the_faces_do_not_import_each_other():
    def check(path, tree):
        here = next((face for face in FACES if own(path).startswith(face)), None)
        for line, module in own_imports(path, tree) if here else ():
            there = own(module.replace(".", "/")) + "/"
            if there.startswith(FACES) and not there.startswith(here):
                yield line, f"imports {module}"

    assert violations(check) == []


def test_no_folder_is_crowded():
    folders = Counter(path.rpartition("/")[0] for path in SOURCES)
    assert [folder for folder, modules in folders.items() if modules > MOST_MODULES] == []


def test_lines_are_short():
    long = [
        f"{path}:{number}"
        for path in [*SOURCES, *TESTS, "build_zipapp.py"]
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    assert long == []


def test_the_formatter_has_nothing_to_change():
    ruff = [sys.executable, "-m", "ruff", "format", "--no-cache", "--diff", PACKAGE, "tests", "build_zipapp.py"]
    done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout or done.stderr


@pytest.mark.parametrize(
    ("libraries", "places"),
    [
        ({"tornado"}, ("http/", "web/ui/")),
        ({"sqlite3", "pymysql"}, ("db/",)),
        ({"passlib"}, ("domain/credentials/",)),
        ({"argparse"}, ("cli/",)),
        ({"ssl"}, ("http/", "server/tls.py", "outbound/", "storage/objects/", "db/mysql/")),
        ({"smtplib", "urllib.request"}, ("outbound/", "storage/objects/")),
    ],
)
def test_libraries_are_imported_only_where_they_belong(libraries, places):
    def check(path, tree):
        for line, module in imported(path, tree):
            if {module, module.split(".")[0]} & libraries and not own(path).startswith(places):
                yield line, f"imports {module}; only {', '.join(places)} may"

    assert violations(check) == []


def test_nothing_else_is_imported():
    known = sys.stdlib_module_names | {PACKAGE, "tornado", "pymysql", "passlib"}

    def check(path, tree):
        for line, module in imported(path, tree):
            top = module.split(".")[0]
            if top not in known:
                yield line, f"imports {module}, which registry.pyz does not carry"
            if top in FORBIDDEN_MODULES:
                yield line, f"imports {module}"

    assert violations(check) == []


def test_the_environment_is_read_by_config_only():
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}

    def check(path, tree):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in names
                and isinstance(node.value, ast.Name)
                and node.value.id == "os"
            ):
                if own(path) != "config/__init__.py":
                    yield node.lineno, f"uses os.{node.attr}; only config may"
            if (
                isinstance(node, ast.ImportFrom)
                and node.module == "os"
                and names & {alias.name for alias in node.names}
            ):
                yield node.lineno, "imports the environment by name"

    assert violations(check) == []


def test_nothing_is_evaluated_or_unpickled():
    def check(path, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                yield node.lineno, f"calls {node.func.id}"
            if isinstance(node, ast.keyword) and node.arg == "shell":
                yield node.value.lineno, "starts a shell"

    assert violations(check) == []


def test_nothing_is_asserted_in_the_program():
    """`python -O` would drop it: what must hold is checked with an error."""

    def check(path, tree):
        yield from ((node.lineno, "asserts") for node in ast.walk(tree) if isinstance(node, ast.Assert))

    assert violations(check) == []


def test_patterns_do_not_end_before_a_newline():
    """In Python's patterns `$` also matches before a last newline: fullmatch, or \\Z."""

    def check(path, tree):
        for node in ast.walk(tree):
            calls_re = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if calls_re and isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.args:
                text = "".join(
                    part.value
                    for part in ast.walk(node.args[0])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )
                if re.search(r"(?<!\\)\$", re.sub(r"\[[^]]*\]", "", text)):
                    yield node.lineno, f"has $ in the pattern {text!r}"

    assert violations(check) == []


def test_sql_is_written_out():
    """Text of SQL is a literal; only constants of the module (names in capitals) may be put into it, never a value."""

    def check(path, tree):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.JoinedStr)
                and _begins_sql(node.values[0])
                and not all(map(_is_constant, node.values))
            ):
                yield node.lineno, "puts a value into SQL"
            if isinstance(node, ast.BinOp) and _begins_sql(node.left) and not _is_constant(node.right):
                yield node.lineno, "computes SQL"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _begins_sql(node.func.value):
                yield node.lineno, f"computes SQL with {node.func.attr}"

    assert violations(check) == []


def _begins_sql(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value) is not None


def _is_constant(node: ast.AST) -> bool:
    """A literal, or a constant of the module; alone, or put into an f-string."""
    value = node.value if isinstance(node, ast.FormattedValue) else node
    return isinstance(value, ast.Constant) or (isinstance(value, ast.Name) and value.id.isupper())


def test_sql_stands_in_domain_and_db_only():
    def check(path, tree):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and SQL.match(node.value)
                and len(node.value.split()) > 2
            ):
                if not own(path).startswith(("domain/", "db/")):
                    yield node.lineno, f"has SQL: {node.value[:40]!r}"

    assert violations(check) == []


def test_one_module_chooses_the_storage_driver():
    def check(path, tree):
        for line, module in own_imports(path, tree):
            if module == f"{PACKAGE}.storage.filesystem" and not own(path).startswith("storage/"):
                yield line, "names a driver; storage/stores.py chooses it"

    assert violations(check) == []


def test_one_module_says_what_is_needed():
    """Whoever deletes blobs or manifests asks it; so a new kind of reference is added in one place."""
    tables = re.compile(r"\bmanifest_(blobs|children)\b")

    def check(path, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and tables.search(node.value):
                if own(path) != "domain/content/references.py":
                    yield node.lineno, f"looks at references itself: {node.value[:40]!r}"

    assert violations(check) == []


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(node: ast.AST) -> int:
    return node.end_lineno - node.lineno + 1


def limit(limits: dict[str, int], path: str) -> int:
    return limits[PACKAGE if path.startswith(f"{PACKAGE}/") else "tests"]


def test_functions_and_files_are_short():
    long = [
        f"{path}:{node.lineno} {node.name} has {lines_of(node)} lines"
        for path, tree in {**SOURCES, **TESTS}.items()
        for node in functions(tree)
        if lines_of(node) > limit(LONGEST_FUNCTION, path)
    ]
    for path in [*SOURCES, *TESTS, "build_zipapp.py"]:
        lines = len((ROOT / path).read_text().splitlines())
        if lines > limit(LONGEST_FILE, path):
            long.append(f"{path} has {lines} lines")
    assert long == []


def test_most_functions_are_shorter_still():
    lengths = sorted(lines_of(node) for tree in SOURCES.values() for node in functions(tree))
    assert lengths[len(lengths) // 2] <= MEDIAN_FUNCTION
    assert lengths[len(lengths) * 95 // 100] <= MOST_FUNCTIONS


def test_every_module_and_public_class_says_what_it_is():
    def check(path, tree):
        if not ast.get_docstring(tree):
            yield 1, "has no docstring"

    assert violations(check) == []


def test_imports_are_resolved():
    """What the rules above rest on: names, dots, and modules imported as names of their package."""
    source = (
        "import os, tornado.web\nfrom . import sqlite\nfrom ..errors import StartError\nfrom dockboard_registry import"
        " config\n"
    )
    found = [module for _, module in imported(f"{PACKAGE}/db/migrate.py", ast.parse(source))]
    assert found == ["os", "tornado.web", f"{PACKAGE}.db.sqlite", f"{PACKAGE}.errors", f"{PACKAGE}.config"]
    assert [layer(f"{PACKAGE}.{name}") for name in ("web.v2", "app", "names", "db")] == ["web", "start", "base", "db"]
    assert layer(PACKAGE) == "base"


def test_every_schema_file_has_a_number_of_its_own():
    numbers = Counter(path.name.partition("_")[0] for path in (ROOT / "schema").glob("*.sql"))
    assert [number for number, count in numbers.items() if count > 1] == []
