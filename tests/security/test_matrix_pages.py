"""Every page and every form for everybody, against an oracle in the words of docs/accounts.md.

A form is sent with a field that no page has, so that who may send it hears 400, and nothing is changed. A page that has
no row here fails the test.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest

from dockboard_registry.web.ui.route import IN_PATH, Page
from dockboard_registry.web.ui.routes import find, pages
from tests.security.state import Unchanged
from tests.support.api import Api
from tests.support.people import As, People
from tests.support.server import Registry
from tests.support.visitor import Visitor

# Path -> (who may open the page, who may send its form, what the first name in its path is).
EVERYONE, SIGNED_IN, NOBODY = "everyone", "signed in", "nobody"
ADMINISTRATOR, MEMBER, OWNER, ADMIN, PULL = "administrator", "member", "owner", "admin", "pull"
ACME, APP = ("acme", "none"), ("acme/app", "acme/none")
ROWS = {
    **dict.fromkeys(
        ("/", "/search", "/login", "/logout", "/help", "/preferences", "/forgot", "/reset", "/invitation"),
        (EVERYONE, EVERYONE, ("",)),
    ),
    **dict.fromkeys(("/favicon.ico", "/robots.txt"), (EVERYONE, EVERYONE, ("",))),
    # Nobody makes an account here: there are some already, and auth.registration is off.
    **dict.fromkeys(("/register", "/setup"), (NOBODY, NOBODY, ("",))),
    **dict.fromkeys(
        (
            *("/account", "/account/password", "/account/tokens", "/account/sessions", "/account/leave"),
            "/account/export",
        ),
        (SIGNED_IN, SIGNED_IN, ("",)),
    ),
    "/static/{version}/{file}": (EVERYONE, EVERYONE, ("0" * 12,)),
    "/@{account}": (PULL, PULL, ACME),
    "/@{organization}/members": (MEMBER, OWNER, ACME),
    "/@{organization}/teams": (MEMBER, OWNER, ACME),
    "/@{organization}/teams/{team}": (MEMBER, OWNER, ACME),
    "/@{organization}/robots": (OWNER, OWNER, ACME),
    "/@{organization}/robots/{robot}": (OWNER, OWNER, ACME),
    "/@{namespace}/grants": (OWNER, OWNER, ACME),
    "/@{namespace}/settings": (OWNER, OWNER, ACME),
    "/@{namespace}/changes": (OWNER, OWNER, ACME),
    "/@{namespace}/changes/lines": (OWNER, OWNER, ACME),
    "/r/{repository}/-/tags": (PULL, PULL, APP),
    "/r/{repository}/-/compare": (PULL, PULL, APP),
    "/r/{repository}:{tag}": (PULL, PULL, APP),
    "/r/{repository}@{digest}": (PULL, PULL, APP),
    "/r/{repository}:{tag}@{digest}": (PULL, PULL, APP),
    "/r/{repository}@{digest}/-/manifest": (PULL, PULL, APP),
    **dict.fromkeys(("/r/{repository}", "/r/{repository}/-/comments", "/r/{repository}/-/star"), (PULL, PULL, APP)),
    **dict.fromkeys(
        (f"/r/{{repository}}/-/{page}" for page in ("access", "readme", "settings", "untagged")), (ADMIN, ADMIN, APP)
    ),
    "/account/stars": (SIGNED_IN, SIGNED_IN, ("",)),
    **dict.fromkeys(
        (
            *("/admin", "/admin/users", "/admin/organizations", "/admin/uploads", "/admin/jobs", "/admin/changes"),
            *("/admin/changes/lines", "/admin/system", "/admin/invitations"),
        ),
        (ADMINISTRATOR, ADMINISTRATOR, ("",)),
    ),
    "/admin/users/{user}": (ADMINISTRATOR, ADMINISTRATOR, ("eve", "none")),
}
SAME = {"Sec-Fetch-Site": "same-origin"}
REFUSED = re.compile("The form asks for nothing that this page does|The form lacks the field [a-z_]+")
OTHERS = {"team": "dev", "tag": "v1", "digest": "", "robot": "ci", "file": "dockboard.css"}
# Whom each word lets in, besides administrators, and who is told that something is there.
MAY = {
    MEMBER: {"owner", "member"},
    OWNER: {"owner"},
    ADMINISTRATOR: set(),
}
SEES = {MEMBER: {"owner", "member"}, OWNER: {"owner", "member"}, ADMIN: set(), PULL: set()}
YES, NO, HIDDEN, SIGN_IN = "yes", "no", "hidden", "sign in"


def oracle(who: str, word: str, name: str) -> str:
    """Whether somebody is let in, refused, told that there is nothing, or sent to sign in."""
    if word == EVERYONE:
        return YES
    if word == NOBODY:
        return HIDDEN
    if who == "nobody":
        return HIDDEN if word in SEES else SIGN_IN
    if word == SIGNED_IN or who == "administrator":
        return YES
    if word == ADMIN:
        return {"owner": YES, "member": NO, "right admin": YES if name == "acme/app" else HIDDEN}.get(who, HIDDEN)
    if word == PULL:
        inside = who in ("owner", "member") or (who == "right admin" and name in ("acme", "acme/app"))
        return YES if inside else HIDDEN
    if who in MAY[word] and name != "none":
        return YES
    if word not in SEES:
        return NO
    return NO if who in SEES[word] and name != "none" else HIDDEN


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("pages") / "data", 1, log_access="false") as registry:
        people = People(registry)
        people.add("ann", "bob", "cid", "eve", "fay")
        people.command("user", "promote", "ann")
        people.command("org", "add", "acme", "--owner", "bob")
        people.command("team", "add", "acme", "dev")
        people.command("robot", "add", "acme/ci")
        with Api(registry.address, people.shown("ann")) as ann:
            ann.call("PUT", "/organizations/acme/members/cid", {"role": "member"}).expect(204)
            ann.call("PUT", "/grants/acme%2Fapp/user:fay", {"right": "admin"}).expect(204)
        with As(registry.address, people.shown("bob")) as bob:
            OTHERS["digest"] = bob.push_image("acme/app", "v1")
        yield registry


@pytest.fixture(scope="module")
def visitors(registry):
    accounts = {"administrator": "ann", "owner": "bob", "member": "cid", "stranger": "eve", "right admin": "fay"}
    made = {who: Visitor(registry.address).sign_in(name) for who, name in accounts.items()}
    made["nobody"] = Visitor(registry.address)
    yield made
    for visitor in made.values():
        visitor.close()


def test_every_page_has_a_row():
    assert {page.path for page in pages()} == set(ROWS)


def filled(path: str, name: str) -> str:
    """The path with the names of the row."""
    parts = IN_PATH.split(path)
    first = parts[1] if len(parts) > 1 else ""
    return "".join((name if part == first else OTHERS[part]) if at % 2 else part for at, part in enumerate(parts))


def outcome(status: int, location: str) -> str:
    if status in (301, 302, 303):
        return SIGN_IN if location.startswith("/login") else YES
    return {403: NO, 404: HIDDEN}.get(status, YES if status in (200, 400) else str(status))


def test_everybody_is_let_in_as_the_rules_say(registry, visitors):
    wrong, cells = [], 0
    with Unchanged(registry):
        for who, visitor in visitors.items():
            for page in pages():
                reads, sends, names = ROWS[page.path]
                for name in names:
                    path = filled(page.path, name)
                    asked = [("GET", reads, None)] if page.get else []
                    asked += [("POST", sends, {"nothing": "1"})] if page.post else []
                    for method, word, fields in asked:
                        found = visitor.send(method, path, fields, SAME)
                        cells += 1
                        expected = oracle(who, word, name)
                        result = outcome(found.status, found.location)
                        # Who may see a name that nobody has is told that there is nothing.
                        missing = expected == YES and name.endswith("none") and result == HIDDEN
                        if result != expected and not missing and (who, page.path) not in ELSEWHERE:
                            wrong.append((who, method, path, found.status, expected))
    assert wrong == [], f"{len(wrong)} of {cells}"
    assert cells > 2 * len(pages())


# Who is signed in needs no page for signing in; files of another version are not there.
ELSEWHERE = {(who, "/static/{version}/{file}") for who in (*MAY, "nobody", "stranger", "right admin", "administrator")}


def test_pages_of_accounts_are_kept_by_no_browser(registry, visitors):
    kept = []
    for page in pages():
        reads, _, names = ROWS[page.path]
        if page.get and reads not in (EVERYONE, NOBODY):
            found = visitors["administrator"].send("GET", filled(page.path, names[0])).expect(200)
            if page.private and found.response.headers["Cache-Control"] not in ("no-store", "private, no-cache"):
                kept.append(page.path)
            if reads in (ADMINISTRATOR, OWNER) and page.private is False:
                kept.append(page.path)
    assert kept == []


def test_what_is_hidden_answers_like_what_is_not_there(registry, visitors):
    """Each header and the whole body, but for the path that was asked for, the token and the request's number."""

    def bare(visitor: Visitor, path: str, name: str) -> tuple:
        found = visitor.send("GET", path)
        headers = {
            key: value
            for key, value in found.response.headers.items()
            if key not in ("Date", "X-Request-Id", "Set-Cookie", "Content-Length")
        }
        html = re.sub(r'value="[A-Za-z0-9_=-]{44}"|Request [0-9a-f-]+', "", found.html)
        return found.status, headers, html.replace(path, "PATH").replace(quote(path, safe=""), "PATH")

    for who in ("stranger", "nobody"):
        for page in pages():
            reads, _, names = ROWS[page.path]
            if page.get and len(names) == 2 and reads in SEES:
                found = [bare(visitors[who], filled(page.path, name), name) for name in names]
                assert found[0] == found[1], (who, page.path)
                assert found[0][0] == 404, (who, page.path)


def incomplete(page: Page) -> list[dict[str, str]]:
    """Forms that no page of this registry sends: without a deed, with an unknown one, and without the fields of it."""
    lacking = [deed for deed, fields in page.deeds.items() if fields]
    return [{}, *({"do": deed} | more for deed in ("nonsense", *lacking) for more in ({}, {"sure": "1"}))]


def refusal(page: Page, fields: dict[str, str]) -> int:
    """The status of the answer: the page again, if it has one; a page of its own for a field that it never has."""
    if page.get is None or not fields.keys() <= {"do", *page.known_fields}:
        return 400
    # Who is signed in is sent on from the page that signs in.
    return 303 if page.path == "/login" else 422


@pytest.mark.parametrize("who", ["administrator", "owner"])
def test_a_form_without_its_deed_or_the_fields_of_it_changes_nothing(registry, visitors, who):
    visitor, done = visitors[who], []
    token = dict(visitor.open("/").form(action="/preferences").fields)["_csrf"]
    with Unchanged(registry):
        for page in pages():
            _, sends, names = ROWS[page.path]
            if page.post is None or oracle(who, sends, names[0]) != YES:
                continue
            for fields in incomplete(page):
                found = visitor.send("POST", filled(page.path, names[0]), {"_csrf": token, **fields}, SAME)
                expected = refusal(page, fields)
                if found.status != expected or (expected == 422 and not REFUSED.search(found.text)):
                    done.append((page.path, fields, found.status))
    assert done == [], str(done)


def test_every_form_of_a_page_names_a_deed_and_has_the_fields_of_it(visitors):
    wrong, seen = [], set()
    for who in ("administrator", "owner", "nobody"):
        for page in pages():
            reads, _, names = ROWS[page.path]
            if page.get is None or oracle(who, reads, names[0]) != YES:
                continue
            path = filled(page.path, names[0])
            for form in visitors[who].open(path).forms:
                if form.method != "POST":
                    continue
                target, _ = find(unquote(form.action or path))
                asked = [value for name, value in form.fields + form.buttons if name == "do"]
                seen |= {(target.path, deed) for deed in asked}
                if not asked or any(set(target.deeds.get(deed, ("?",))) - form.names for deed in asked):
                    wrong.append((path, asked, sorted(form.names)))
    assert wrong == []
    assert {("/logout", "sign-out"), ("/@{organization}/robots/{robot}", "delete")} < seen
