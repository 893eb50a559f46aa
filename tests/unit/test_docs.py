"""The documents under test: what README and the errors say has to be so, and has to be said in words."""

import importlib
import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dockboard_registry import config, errors
from dockboard_registry.cli import main as commands
from dockboard_registry.errors import RegistryError
from dockboard_registry.web.face import Face
from tests.unit.limits import LIMITS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
}
ERRORS = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, RegistryError)]
# Distribution specification 1.1, "Error Codes"; the last two are of distribution's errcode package.
WORDS = {
    "BLOB_UNKNOWN": "blob unknown to registry", "BLOB_UPLOAD_INVALID": "blob upload invalid",
    "BLOB_UPLOAD_UNKNOWN": "blob upload unknown to registry",
    "DIGEST_INVALID": "provided digest did not match uploaded content", "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_BLOB_UNKNOWN": "manifest references a manifest or blob unknown to registry",
    "MANIFEST_UNKNOWN": "manifest unknown to registry",
    "NAME_INVALID": "invalid repository name", "NAME_UNKNOWN": "repository name not known to registry",
    "SIZE_INVALID": "provided length did not match content length", "UNAUTHORIZED": "authentication required",
    "DENIED": "requested access to the resource is denied", "UNSUPPORTED": "the operation is unsupported",
    "TOOMANYREQUESTS": "too many requests",
    "UNAVAILABLE": "service unavailable", "UNKNOWN": "unknown error",
}  # fmt: skip


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dockboard_registry", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)


def test_the_readme_is_short():
    assert README.count("\n") <= 150


@pytest.mark.parametrize("name", ["docs/security.md", "docs/limits.md"])
def test_every_test_that_a_page_names_exists(name):
    named = set(re.findall(r"`(test_\w+)`", DOCUMENTS[name]))
    there = {
        found
        for path in (ROOT / "tests").rglob("test_*.py")
        for found in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.M)
    }
    assert len(named) > 50 and named <= there, named - there


def rows_of_limits() -> dict[str, list[str]]:
    """The other cells of each row, by the limit's name."""
    rows = re.findall(r"^\| (.+) \|$", DOCUMENTS["docs/limits.md"], re.M)
    return {row.split(" | ")[0]: row.split(" | ")[1:] for row in rows if not row.startswith("limit |")}


def test_the_values_of_the_page_on_limits_are_those_of_the_program():
    assert {name: cells[0] for name, cells in rows_of_limits().items()} == LIMITS


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_says_where_it_is_set_what_comes_of_it_and_what_proves_it(name):
    _, places, outcome, proof = rows_of_limits()[name]
    for place in places.split(", "):
        assert place.strip("`") in config.OPTIONS or (ROOT / "dockboard_registry" / place).is_file(), place
    # The API answers 422 for a value that only the domain refuses.
    known = {(str(kind.status), kind.code) for kind in ERRORS} | {("422", "UNSUPPORTED")}
    assert set(re.findall(r"(\d{3}) `([A-Z_]+)`", outcome)) <= known, outcome
    assert re.fullmatch(r"`test_\w+`(, `test_\w+`)*", proof), proof


def commands_of_the_readme() -> set[str]:
    """What stands behind `registry.pyz` in the table of commands, optional parts and flags left out."""
    found = set()
    for cell in re.findall(r"^\| (`registry\.pyz [^|]+) \|", README, re.M):
        first, *others = re.findall(r"`([^`]+)`", cell)
        words = first.replace("[", "").replace("]", "").split()[1:]
        found.add(" ".join(words))
        found |= {" ".join([*words[:-1], other]) for other in others}
    return found


def test_every_command_of_the_readme_exists():
    found = commands_of_the_readme()
    assert found >= {"serve", "check", "gc", "config show", "config check", "migrate", "version"}
    for command in found:
        parsed = commands.parser().parse_args(command.split())
        assert callable(parsed.run)


def test_every_command_is_in_the_readme():
    (choices,) = [
        action.choices
        for action in commands.parser()._actions
        if action.dest == "==SUPPRESS==" and isinstance(action.choices, dict)
    ]
    assert {command.split()[0] for command in commands_of_the_readme()} == set(choices)


def test_every_flag_of_the_readme_exists():
    rows = re.findall(r"^\| `registry\.pyz ([^`]+)`[^|]*\| ([^|]+)\|", README, re.M)
    for command, words in rows:
        name = command.replace("[", "").replace("]", "").split()[:1]
        name += ["show"] if name == ["config"] else []
        for flag in re.findall(r"`(--[a-z-]+)( [A-Z:]+)?`", words):
            value = {" HOST:PORT": ["127.0.0.1:0"], "": []}.get(flag[1], ["x"])
            commands.parser().parse_args([*name, flag[0], *value])


def test_commands_answer_for_help_and_version():
    shown = run("--help")
    assert shown.returncode == 0
    for command in commands_of_the_readme():
        assert command.split()[0] in shown.stdout
    assert re.match(r"Dockboard Registry \d+\.\d+\.\d+ \(commit .+, Python 3\.\d+\.\d+\)\n", run("version").stdout)


def test_the_example_configuration_of_the_readme_is_right(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.S)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    for path in (certificate, key):
        path.write_text("x")
        path.chmod(0o600)
    text = example.replace("/etc/registry/tls.crt", str(certificate)).replace("/etc/registry/tls.key", str(key))
    (tmp_path / "registry.toml").write_text(text)
    found = config.load({"config": str(tmp_path / "registry.toml")}, {})
    assert found.server.listen == "0.0.0.0:5000"
    assert found.auth.anonymous == "push"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_keys_that_documents_name_exist(name):
    sections = "|".join(config.SECTIONS)
    for key in re.findall(rf"`((?:{sections})\.[a-z_]+)`", DOCUMENTS[name]):
        assert (
            key in config.OPTIONS or (ROOT / "dockboard_registry" / key.replace(".", "/")).with_suffix(".py").exists()
        ), f"{name} names {key}"
    known = {option.environment for option in config.OPTIONS.values()}
    for variable in re.findall(r"\bDOCKBOARD_[A-Z_]+", DOCUMENTS[name]):
        assert variable in known | {"DOCKBOARD_PYZ"} or variable.startswith("DOCKBOARD_TESTS_"), (
            f"{name} names {variable}"
        )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", DOCUMENTS[name]):
        if "://" not in target:
            assert ((ROOT / name).parent / target).exists(), f"{name} links to {target}, which is not there"


def test_the_architecture_names_modules_that_exist_and_all_of_them():
    text = DOCUMENTS["docs/architecture.md"]
    for path in re.findall(r"\b(?:web|db|domain|storage|tests)/[a-z0-9_/]+\.py\b", text):
        assert (ROOT / path).exists() or (ROOT / "dockboard_registry" / path).exists(), (
            f"docs/architecture.md names {path}"
        )
    modules = [
        path
        for path in sorted((ROOT / "dockboard_registry").rglob("*.py"))
        if path.name not in ("__init__.py", "_stamp.py") and path.parent.name != "v2"
    ]
    assert [path.name for path in modules if not re.search(rf"\b{path.stem}\b", text)] == [], (
        "docs/architecture.md does not say what these are"
    )


def test_the_walk_through_names_functions_that_exist():
    """`Blob.head` is a method of a class, `references.ask` a function of a module."""
    walk = DOCUMENTS["docs/architecture.md"].partition("\n## One push, one pull\n")[2].partition("\n## ")[0]
    sources = {path: path.read_text() for path in (ROOT / "dockboard_registry").rglob("*.py")}
    named = set(re.findall(r"`([A-Za-z]+)\.([a-z_]+)`", walk))
    assert len(named) >= 12
    for owner, function in named:
        assert any(
            (path.stem == owner or re.search(rf"^class {owner}\b", text, re.M))
            and re.search(rf"\b(?:def {function}\(|{function} = )", text)
            for path, text in sources.items()
        ), f"docs/architecture.md names {owner}.{function}"


def test_python_in_the_readme_is_the_python_of_the_project():
    minimum = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())[1]
    assert f"Python {minimum} or later" in README


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_says_what_happened_and_what_to_do_next(kind):
    assert kind.code in WORDS
    assert 400 <= kind.status <= 599
    assert_reads(kind.cause)
    assert_reads(kind.next)
    assert kind.next != kind.cause
    assert re.match(r"[a-z]+", kind.next), "what to do next begins with a verb"


def assert_reads(words: str) -> None:
    """A clause for people: without full stop and, but for names of HTTP and JSON, capital; of several words, without
    format marks.
    """
    first, *others = words.split()
    assert 1 <= len(others) <= 30, words
    assert first[0].islower() or "-" in first or first.isupper(), words
    assert not words.endswith((".", "!", " ")), words
    assert "%s" not in words and "{" not in words and "  " not in words, words
    assert words.isascii(), words


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_the_body_of_every_error_is_the_specifications(kind):
    document = json.loads(Face().error(kind("the cause", digest="sha256:x")).body)
    (error,) = document["errors"]
    assert set(document) == {"errors"} and set(error) == {"code", "message", "detail"}
    assert error["code"] == kind.code
    assert isinstance(error["message"], str) and error["message"]
    assert error["message"].endswith(f"the cause; {kind.next}") and error["detail"] == {"digest": "sha256:x"}


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_messages_begin_with_the_specifications_words_and_detail_does_not_repeat_them(kind):
    """But for what only our own API answers, where these words would not be true."""
    (error,) = json.loads(Face().error(kind()).body)["errors"]
    assert set(error) == {"code", "message"}
    words = (
        "" if kind in (errors.AccountUnknown, errors.ChangeRefused, errors.FieldInvalid) else f"{WORDS[kind.code]}: "
    )
    assert error["message"] == f"{words}{kind.cause}; {kind.next}"


def test_causes_that_the_program_gives_read_as_well():
    """Every literal first argument of an error that is raised, and every literal `next`."""
    names = "|".join(kind.__name__ for kind in ERRORS)
    count = 0
    for path in (ROOT / "dockboard_registry").rglob("*.py"):
        for text in re.findall(rf'\b(?:{names})\("([^"]+)"', path.read_text()):
            assert_reads(text)
            count += 1
    assert count > 40


def test_every_shell_line_of_the_readme_can_be_split():
    for block in re.findall(r"```sh\n(.*?)```", README, re.S):
        for line in block.splitlines():
            assert shlex.split(line, comments=True)


def test_every_command_of_the_documents_is_one():
    """Lines of shell with their redirections left out, and the table of the commands on accounts, a choice of flags
    taken as the first one.
    """
    lines = re.findall(r"^registry\.pyz ([^<>\n]+)", DOCUMENTS["docs/accounts.md"], re.M)
    cells = re.findall(r"^\| `([^`]+)`", DOCUMENTS["docs/accounts.md"], re.M)
    assert len(lines) >= 8 and len(cells) >= 15
    for line in [*lines, *(re.sub(r"\\\|[a-z-]+", "", re.sub(r"\[--[^]]*\]|[][]", "", cell)) for cell in cells)]:
        assert callable(commands.parser().parse_args(shlex.split(line)).run)


def test_importing_the_package_starts_nothing():
    assert importlib.import_module("dockboard_registry").__version__
