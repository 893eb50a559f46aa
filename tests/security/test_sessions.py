"""Attacks on the sessions of browsers: planted and stolen secrets, what ended and goes on elsewhere, forms of another
session, forged sign-ins, and rows that cost nothing to make.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dockboard_registry.domain.credentials.sessions import MOST
from tests.security.payloads import ELSEWHERE
from tests.security.test_pages import POLICY, ends_here
from tests.support.http import Client
from tests.support.nginx import Nginx
from tests.support.people import FORM, PASSWORD, As, People, basic
from tests.support.server import Registry
from tests.support.visitor import PAGE, Visitor, read

CONNECTIONS = 8
OTHER = "another battery horse"
HTTPS = {"X-Forwarded-Proto": "https"}
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """With two workers. bob has a private repository with an image."""
    settings = {"server_trusted_proxies": ["127.0.0.1"], "auth_quarantine": 0}
    with Registry(tmp_path_factory.mktemp("sessions") / "data", 2, **settings) as found:
        people = People(found)
        people.add("ann", "bob", "cid", "eve")
        people.command("user", "promote", "ann")
        with As(found.address, people.shown("bob")) as bob:
            bob.push_image("bob/private", "v1")
        yield found


@pytest.fixture(scope="module")
def crowd(registry) -> Iterator[list[Client]]:
    """Connections that stay open, some to every worker."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Client(registry.address)) for _ in range(CONNECTIONS)]


def known(crowd: list[Client], cookies: dict[str, str], name: str) -> set[bool]:
    """Whether these cookies are this user's, asked of all connections at once."""
    shown = {**PAGE, "Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())}

    def is_known(client: Client) -> bool:
        page = read(client.get("/account", shown).expect(200, 303))
        return page.status == 200 and name in page.text and "Sign out" in page.text

    with ThreadPoolExecutor(len(crowd)) as threads:
        return set(threads.map(is_known, crowd))


def database(registry: Registry, sql: str, *values: object) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(registry.root / "registry.db", timeout=30)) as opened, opened:
        return opened.execute(sql, values).fetchall()


def sessions_of(registry: Registry, name: str) -> int:
    sql = "SELECT COUNT(*) FROM browser_sessions JOIN users ON users.id = user_id WHERE users.name = ?"
    return database(registry, sql, name)[0][0]


def by_page(registry: Registry, visitor: Visitor) -> None:
    visitor.submit(visitor.open("/"), action="/logout").expect(200)


def by_password(registry: Registry, visitor: Visitor) -> None:
    People(registry).set_password("cid", OTHER)
    People(registry).set_password("cid", PASSWORD)


def by_disabling(registry: Registry, visitor: Visitor) -> None:
    People(registry).command("user", "disable", "cid")
    People(registry).command("user", "enable", "cid")


def by_a_role(registry: Registry, visitor: Visitor) -> None:
    People(registry).command("user", "promote", "cid")
    People(registry).command("user", "demote", "cid")


def by_being_idle(registry: Registry, visitor: Visitor) -> None:
    database(registry, "UPDATE browser_sessions SET seen_at = seen_at - ?", 9 * 3_600_000)


def by_age(registry: Registry, visitor: Visitor) -> None:
    database(registry, "UPDATE browser_sessions SET made_at = made_at - ?", 8 * DAY_MS)


@pytest.mark.parametrize("end", [by_page, by_password, by_disabling, by_a_role, by_being_idle, by_age])
def test_what_ended_has_ended_at_every_worker(registry, crowd, end):
    """A thief with the cookie is nobody at once, and stays nobody when the account is as it was before."""
    with Visitor(registry.address) as cid:
        stolen = dict(cid.sign_in("cid").cookies)
        assert known(crowd, stolen, "cid") == {True}
        end(registry, cid)
        assert known(crowd, stolen, "cid") == {False}


def test_a_deleted_user_has_no_session_and_neither_has_one_of_the_same_name(registry, crowd):
    people = People(registry)
    people.add("fay")
    with Visitor(registry.address) as fay:
        stolen = dict(fay.sign_in("fay").cookies)
    assert known(crowd, stolen, "fay") == {True}
    people.command("user", "delete", "fay")
    assert known(crowd, stolen, "fay") == {False}
    people.add("fay")
    assert known(crowd, stolen, "fay") == {False}


def test_a_secret_counts_in_its_own_cookie_only(registry, crowd):
    """A cookie without the prefix __Host- may be of another host, so that it is nothing behind TLS."""
    with Visitor(registry.address) as plain, Visitor(registry.address, headers=HTTPS) as secure:
        (secret,) = plain.sign_in("bob").cookies.values()
        (guarded,) = secure.sign_in("bob").cookies.values()
    for name in ("__Host-dockboard", "Dockboard", "dockboard-visitor", "dockboard ", "session"):
        assert known(crowd, {name: secret}, "bob") == {False}, name
    with Visitor(registry.address, headers=HTTPS) as visitor:
        visitor.cookies["dockboard"] = guarded
        assert "Sign in" in visitor.open("/").text
        visitor.cookies["__Host-dockboard"] = guarded
        assert "Sign out" in visitor.open("/").text
    for wrong in (secret[:-1], secret + "A", secret.swapcase(), f'"{secret}"', ""):
        assert known(crowd, {"dockboard": wrong}, "bob") == {False}, wrong


def test_a_planted_secret_is_never_that_of_a_session(registry):
    """Neither the cookie of a session nor that of forms stays the one that somebody else put there."""
    with Visitor(registry.address) as visitor:
        visitor.cookies |= {"dockboard": "A" * 43, "dockboard-visitor": "B" * 22}
        page = visitor.open("/login")
        visitor.submit(page, field="password", follow=False, name="bob", password=PASSWORD).expect(303)
        assert visitor.cookies["dockboard"] != "A" * 43 and "dockboard-visitor" not in visitor.cookies
        # The token of the planted secret is worth nothing any more.
        visitor.submit(page, action="/preferences", theme="dark", follow=False).expect(403)


def test_a_form_of_a_session_that_ended_is_worth_nothing(registry):
    """Not after signing in again, and not after another password."""
    with Visitor(registry.address) as visitor:
        old = visitor.sign_in("bob").open("/account")
        by_page(registry, visitor)
        visitor.sign_in("bob")
        kept = dict(old.form(field="full_name").fields)
        answer = visitor.send("POST", "/account", {**kept, "full_name": "Forged"}, {"Sec-Fetch-Site": "same-origin"})
        assert answer.status == 422 and "Forged" not in visitor.open("/account").html
        before = visitor.open("/account/password")
        changed = visitor.submit(before, field="current", current=PASSWORD, new_password=OTHER).expect(200)
        visitor.submit(before, action="/logout", follow=False).expect(403)
        visitor.submit(changed, field="current", current=OTHER, new_password=PASSWORD).expect(200)


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"_csrf": ""}, {"Sec-Fetch-Site": "same-origin"}),
        ({"_csrf": "own"}, {"Sec-Fetch-Site": "cross-site"}),
        ({"_csrf": "own"}, {"Origin": "https://evil.example"}),
        ({"_csrf": "other"}, {"Sec-Fetch-Site": "same-origin"}),
    ],
)
def test_nobody_is_signed_in_by_another_site(registry, fields, headers):
    """Who would be signed in as the attacker would write into the attacker's account."""
    with Visitor(registry.address) as victim, Visitor(registry.address) as attacker:
        tokens = {
            "own": dict(victim.open("/login").form(field="password").fields)["_csrf"],
            "other": dict(attacker.open("/login").form(field="password").fields)["_csrf"],
        }
        sent = {"do": "sign-in", "name": "eve", "password": PASSWORD}
        sent |= {name: tokens.get(value, value) for name, value in fields.items()}
        answer = victim.send("POST", "/login", sent, headers)
        assert answer.status in (403, 422) and "dockboard" not in victim.cookies


@pytest.mark.parametrize("place", ELSEWHERE)
def test_signing_in_leads_nowhere_else(registry, place):
    with Visitor(registry.address) as visitor:
        visitor.cookies = session(registry)
        page = visitor.send("GET", "/login?next=" + "".join(f"%{byte:02x}" for byte in place.encode()))
        assert page.status == 303 and ends_here(page.location), page.location


_SESSIONS: dict[str, dict[str, str]] = {}


def session(registry: Registry) -> dict[str, str]:
    """The cookies of eve, who signed in once for all tests that need no session of their own."""
    if registry.address not in _SESSIONS:
        with Visitor(registry.address) as eve:
            _SESSIONS[registry.address] = dict(eve.sign_in("eve").cookies)
    return dict(_SESSIONS[registry.address])


def test_a_user_has_so_many_sessions_and_who_does_not_sign_in_has_none(registry):
    """The forms of nobody, and passwords that are wrong, make no row. The oldest session makes room for a new one."""
    before = database(registry, "SELECT COUNT(*) FROM browser_sessions")
    for _ in range(10):
        with Visitor(registry.address, headers={"X-Forwarded-For": "192.0.2.50"}) as visitor:
            visitor.open("/login")
            visitor.open("/")
        with Visitor(registry.address, headers={"X-Forwarded-For": "192.0.2.51"}) as visitor:
            visitor.cookies["dockboard"] = "C" * 43
            visitor.submit(visitor.open("/login"), field="password", name="nobody", password="x").expect(422, 429)
    assert database(registry, "SELECT COUNT(*) FROM browser_sessions") == before
    with Visitor(registry.address) as oldest, Visitor(registry.address) as newest:
        oldest.sign_in("bob")
        (user,) = database(registry, "SELECT id, credential_generation FROM users WHERE name = 'bob'")
        have = sessions_of(registry, "bob")
        add = (
            "INSERT INTO browser_sessions (id, digest, user_id, credential_generation, address, browser, made_at,"
            " seen_at, confirmed_at) SELECT ?, ?, ?, ?, '', '', made_at + 1, seen_at + 1, 0 FROM browser_sessions"
            " ORDER BY seen_at DESC LIMIT 1"
        )
        for number in range(MOST - have):
            database(registry, add, 1000 + number, f"{number}".encode() * 32, *user)
        assert sessions_of(registry, "bob") == MOST
        newest.sign_in("bob")
        assert sessions_of(registry, "bob") == MOST and "Sign out" in newest.open("/").text
    database(registry, "DELETE FROM browser_sessions WHERE id BETWEEN 1000 AND 2000")


REFUSED = [
    ("GET", "/account", {}, None),
    ("DELETE", "/", {}, None),
    ("POST", "/", {}, b""),
    ("POST", "/login", FORM, b"a" * 70_000),
    ("POST", "/login", FORM, b"_csrf=x&do=sign-in"),
    ("POST", "/login", {"Content-Type": "application/json"}, b"{}"),
    ("GET", "/search?q=a&q=b", {}, None),
    ("GET", "/%ff", {}, None),
    ("GET", "/" + "a" * 3000, {}, None),
    ("GET", "/bob/app:v1", {}, None),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_every_refusal_keeps_frames_and_caches_off(registry, number):
    method, path, headers, body = REFUSED[number]
    for cookies in ({}, session(registry)):
        shown = {**PAGE, **headers, "Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())}
        with Client(registry.address) as client:
            answer = client.request(method, path, shown, body)
        assert 200 <= answer.status < 500, answer.status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert {"no-store", "private, no-cache", "no-cache"} >= {answer.headers["Cache-Control"]}
        assert answer.status == 302 or answer.headers["Content-Security-Policy"] == POLICY


def test_a_cache_in_between_has_nothing_of_one_for_another(registry, tmp_path):
    """Pages, the API and pulls of bob, eve and nobody, through one nginx that keeps answers as long as they say."""
    private = ("/", "/r/bob/private/-/tags", "/@bob", "/account", "/account/sessions", "/search?q=private")
    with Nginx(tmp_path / "nginx", registry.address, cache=True) as proxy:
        with Visitor(proxy.address) as bob, Visitor(proxy.address) as eve, Visitor(proxy.address) as nobody:
            bob.sign_in("bob")
            eve.sign_in("eve")
            for path in private * 2:
                assert "bob" in bob.open(path).text
                assert '/r/bob/private"' not in eve.open(path).html and "Sign in" in nobody.open(path).text
                assert bob.cookies["dockboard"] != eve.cookies["dockboard"] and "dockboard" not in nobody.cookies
        asked = ("/v2/", "/v2/bob/private/tags/list", "/v2/bob/private/manifests/v1", "/api/v1/account", "/token")
        with As(proxy.address, basic("bob")) as bob, Client(proxy.address) as nobody:
            digest = bob.get("/v2/bob/private/manifests/v1").headers["Docker-Content-Digest"]
            for path in (*asked, f"/v2/bob/private/manifests/{digest}", "/api/v1/repositories") * 2:
                found, refused = bob.get(path), nobody.get(path)
                assert found.status == 200
                assert refused.status == 401 or refused.body != found.body and b"bob" not in refused.body, path
