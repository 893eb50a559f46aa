"""What pages are made of: escaping, sentences, routes, tokens against forgery, figures and times."""

import ast
import json
import re
import string
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.template import Template

from dockboard_registry.errors import NotFound, Unsupported
from dockboard_registry.http.headers import Headers
from dockboard_registry.web.ui import causes, csrf, figures, language, markup, route, routes, static, templates, times
from dockboard_registry.web.ui.markup import Markup, escape
from dockboard_registry.web.ui.visit import local_path
from dockboard_registry.wording import sized

UI = Path(str(files("dockboard_registry.web.ui")))
# Beginnings of ids that are put together: "part." and the unit of a time, "error." and a status, ...
PUT_TOGETHER = (
    *("part.", "error.", "frame.theme.", "order.", "role.", "right.", "action.", "kind.", "state.", "duration."),
    *("visibility.", "namespace.organization.", "members.make.", "access.by.", "robots.", "users.", "admin.disk."),
    *("jobs.what.", "jobs.figure.", "help.word.", "repository.tab.", "repository.label.", "repository.may."),
    *("invitations.state.", "explore.kind.", "explore.sort.", "explore.lately.", "explore.what.", "explore.role."),
    *("tags.kind.", "tags.order.", "config.", "compare."),
    *("search.kind.", "chart.", "manifest.damaged."),
    *("tokens.action.", "tokens.life.", "tokens.state."),
    "repository.settings.",
)
DIGEST = "sha256:" + "0123456789abcdef" * 4


def sentences() -> dict[str, tuple[str, str]]:
    english, chinese = (language._sentences(each) for each in language.LANGUAGES)
    return {id: ("|".join(english[id]), "|".join(chinese[id])) for id in english}


def sources() -> dict[str, str]:
    return {
        path.relative_to(UI).as_posix(): path.read_text()
        for path in UI.rglob("*")
        if path.suffix in (".py", ".html") and path.parent.name != "messages"
    }


def names(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_both_languages_name_the_same_values():
    wrong = {
        id: pair for id, pair in sentences().items() for form in pair[0].split("|") if names(form) - names(pair[1])
    }
    assert wrong == {}
    assert all("|" not in chinese for _, chinese in sentences().values())


def test_every_sentence_is_used_and_every_id_has_one():
    known, text = sentences(), "\n".join(sources().values())
    asked = set(re.findall(r"""\bt\(\s*["']([a-z0-9_.-]+[a-z0-9])["']""", text))
    assert asked - known.keys() == set()
    unused = {id for id in known if f'"{id}"' not in text and f"'{id}'" not in text}
    assert {id for id in unused if not id.startswith(PUT_TOGETHER)} == set()


def test_the_translated_causes_are_sentences_of_the_program():
    said = {skeleton(node) for node in ast.walk(program()) if isinstance(node, ast.JoinedStr | ast.Constant)}
    gone = [english for english, _ in causes.CHINESE if re.sub(r"\{[a-z_]+\}", "{}", english) not in said]
    # What the rule says of the state of an account is put together from pieces.
    assert [text for text in gone if not text.startswith("{principal} is ")] == []
    assert [pair for pair in causes.CHINESE if names(pair[0]) != names(pair[1])] == []


def program() -> ast.Module:
    """All modules of the program as one."""
    return ast.Module([ast.parse(path.read_text()) for path in UI.parents[1].rglob("*.py") if path.stem != "causes"])


def skeleton(node: ast.expr) -> str:
    """A text of the source, with {} for each value that is put into it."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def test_causes_are_told_in_the_visitors_language():
    assert language.cause("en", "there is no user bob") == "There is no user bob."
    assert language.cause("zh", "there is no user bob") == "没有用户 bob。"
    assert language.cause("zh", "something new") == "Something new."


def test_no_template_writes_a_value_as_it_is():
    pages = {name: text for name, text in sources().items() if name.endswith(".html")}
    assert [name for name, text in pages.items() if "{% raw" in text or "autoescape" in text] == []


def test_templates_have_no_styles_and_scripts_of_their_own():
    found = re.compile(r"<style|\sstyle=|<script(?! src=)|\son[a-z]+=|javascript:", re.I)
    assert [name for name, text in sources().items() if name.endswith(".html") and found.search(text)] == []


def test_links_and_forms_of_templates_keep_the_path_of_external_url():
    bare = re.compile(r"""(?:href|action|src)=["'](?:/|\{\{ *visit\.request)""")
    assert [name for name, text in sources().items() if name.endswith(".html") and bare.search(text)] == []


def test_all_templates_compile():
    templates.prepare()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b> & \"c\" 'd'", "&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;"),
        ("a\u202eb", r"a\u202eb"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\x00\x1b[31m", r"\u0000\u001b[31m"),
        ("\ud800", r"\ud800"),
        ("王芳 – é", "王芳 – é"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x85\ufeff", r"\u0085\ufeff"),
    ],
)
def test_text_is_escaped_and_what_does_not_show_is_spelled_out(text, shown):
    assert escape(text) == shown
    assert escape(Markup("<b>")) == "<b>"


def test_templates_escape_every_value_but_markup():
    values = {"text": "<b>", "long": "<b>" * 1000, "bytes": b"<b>\xff", "number": 1, "markup": Markup("<b>")}
    written = {
        name: Template(f"{{{{ {name} }}}}{{% raw {name} %}}", loader=templates._loader).generate(**values).decode()
        for name in values
    }
    assert written == {
        "text": "&lt;b&gt;" * 2,
        "long": "&lt;b&gt;" * 2000,
        "bytes": r"&lt;b&gt;\xff" * 2,
        "number": "11",
        "markup": "<b><b>",
    }


@given(st.text())
def test_escaped_text_has_no_markup(text):
    shown = escape(text)
    assert not re.search(r"[<>\"'\x00-\x08\u202a-\u202e]", shown) and shown.encode("utf-8") is not None


def test_templates_escape_values_but_not_markup():
    template = templates.Template("{{ a }}{{ b }}{{ n }}", loader=templates._loader)
    shown = template.generate(a="<\ud800>", b=Markup("<i>"), n=3)
    assert shown == rb"&lt;\ud800&gt;<i>3"


def test_sentences_count_and_keep_markup():
    assert language.text("en", "part.hours", n=1) == "1 hour ago"
    assert language.text("en", "part.hours", n=1284) == "1,284 hours ago"
    assert language.text("zh", "part.hours", n=1) == "1 小时前"
    shown = language.text("en", "error.asked", path=Markup("<code>/x</code>"))
    assert shown == "You asked for <code>/x</code>." and isinstance(shown, Markup)
    assert not isinstance(language.text("en", "error.asked", path="<b>"), Markup)


@pytest.mark.parametrize(
    ("chosen", "header", "found"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "en;q=0.3, zh;q=0.7", "zh"),
        ("", "fr, de;q=0.9", "en"),
        ("", "zh;q=x", "en"),
        ("en", "zh", "en"),
        ("xx", "zh", "zh"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_browsers(chosen, header, found):
    assert language.of_account_or(chosen, Headers([("Accept-Language", header)])) == found


def test_a_form_of_another_visitor_is_not_valid():
    token = csrf.token("secret")
    assert csrf.is_valid("secret", token) and token != csrf.token("secret")
    for secret, shown in (
        ("other", token),
        ("secret", ""),
        ("secret", token[:-4]),
        ("secret", "é"),
        ("secret", "AAAA"),
    ):
        assert not csrf.is_valid(secret, shown)


@pytest.mark.parametrize(
    "text",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "", "x", "javascript:x", "/a\nb"],
)
def test_no_link_back_leaves_the_registry(text):
    assert local_path(text) == "/"
    assert local_path("/r/acme/app?x=1#y") == "/r/acme/app?x=1#y"


def test_pages_are_found_by_their_paths():
    for page in routes.pages():
        assert routes.find(example(page.path))[0] is page, page.path
    for path in ("/nothing", "//", "/R/app", "/r/", "/r/app/", "/r/a%2Fb", "/static/x/y", "/%ff", "/r/" + "a/" * 5000):
        with pytest.raises(NotFound):
            routes.find(path)


def example(path: str) -> str:
    """A path of the page, with something for each name."""
    values = {name: "acme" for name in route.NAMES} | {
        "repository": "acme/app-web", "tag": "v1", "digest": DIGEST, "id": "7", "key": "0" * 32, "word": "jobs",
        "file": "mark.svg", "version": "0" * 12,
    }  # fmt: skip
    return path.format(**values)


def test_pages_know_their_methods():
    page, names = routes.find("/preferences")
    assert names == {} and page.handler("POST")
    with pytest.raises(Unsupported) as refused:
        page.handler("GET")
    assert refused.value.headers == {"Allow": "POST"}


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (1024, "1.00 KiB"),
        (49_500_000, "47.2 MiB"),
        (131 << 20, "131 MiB"),
    ],
)
def test_sizes_have_three_digits(count, shown):
    assert sized(count) == shown


def test_equal_digests_have_equal_marks():
    assert figures.fingerprint(DIGEST) == figures.fingerprint(DIGEST)
    assert 'class="print h0"' in figures.fingerprint(DIGEST)
    assert "&lt;" in figures.strip([(1, "own")], "<")
    drawn = figures.strip([(30, "own"), (0, "own"), (60, "shared"), (10, "own")], "")
    assert drawn.count("<path") == 2
    assert '<path class="own" d="m0 0h296m601 0h98"/><path class="shared" d="m301 0h591"/>' in drawn


def test_unknown_zones_are_utc():
    assert times.zone("Mars/Olympus") == times.zone("../etc/passwd") == times.zone("") == times.UTC_ZONE
    assert times.shown(0, times.UTC_ZONE) == "1970-01-01 00:00"
    assert times.machine(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("ms", [253_402_214_400_001, 253_402_351_199_000, 1 << 63])
def test_a_time_after_the_year_9999_is_shown_as_the_last_one_that_can_be_shown(ms):
    assert times.shown(ms, times.UTC_ZONE) == "9999-12-31 00:00"
    assert times.shown(ms, times.zone("Pacific/Kiritimati"), seconds=True) == "9999-12-31 14:00:00"
    assert times.machine(ms) == "9999-12-31T00:00:00Z"
    assert times.ago(ms) == ("later", 0)


def test_files_are_kept_for_ever_by_their_version():
    request = SimpleNamespace(headers=Headers([("Accept-Encoding", "gzip")]))
    found = static.answer(request, static.version(), "dockboard.css")
    assert "immutable" in found.headers["Cache-Control"] and found.headers["Content-Encoding"] == "gzip"
    assert static.answer(request, "0" * 12, "dockboard.css").headers["Cache-Control"] == "no-cache"
    assert len(found.body) <= 20 << 10


def test_both_dark_themes_have_the_same_colours():
    css = (UI / "static" / "dockboard.css").read_text()
    one = re.search(r'data-theme="light"\]\) \{(.*?)\n  \}', css, re.S)[1]
    other = re.search(r'\[data-theme="dark"\] \{(.*?)\n\}', css, re.S)[1]
    assert one.split() == other.split()


def test_what_a_cut_text_keeps():
    assert markup.cut("a" * 5000) == "a" * 4096 + "…"
    assert json.dumps(markup.join(["<", Markup("<b>")])) == '"&lt;<b>"'
