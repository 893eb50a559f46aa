"""Signing in and out on the pages."""

from __future__ import annotations

import sqlite3

import pytest

from tests.support.api import Api
from tests.support.people import PASSWORD, People, basic
from tests.support.server import Registry
from tests.support.visitor import Visitor

OTHER = "another battery horse"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """With an administrator ann, and bob and eve. Each test is a network of its own."""
    root = tmp_path_factory.mktemp("signing") / "data"
    with Registry(root, 2, server_trusted_proxies=["127.0.0.1"]) as registry:
        people = People(registry)
        people.add("ann", "bob", "eve")
        people.command("user", "promote", "ann")
        yield registry
    assert PASSWORD not in registry.log.read_text() and OTHER not in registry.log.read_text()


@pytest.fixture
def visitor(registry):
    with Visitor(registry.address) as visitor:
        yield visitor


def elsewhere(registry: Registry, network: str) -> Visitor:
    return Visitor(registry.address, headers={"X-Forwarded-For": network})


def rows(registry: Registry, sql: str) -> list[tuple]:
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as database:
        found = database.execute(sql).fetchall()
    database.close()
    return found


def test_whoever_signs_in_is_greeted_by_name_and_signs_out(registry, visitor):
    before = visitor.open("/login").expect(200)
    assert before.response.headers["Cache-Control"] == "no-store"
    visitor.sign_in("Bob")
    (secret,) = visitor.cookies.values()
    page = visitor.open("/").expect(200)
    assert "bob" in page.text and "Sign out" in page.text and "Sign in" not in page.text
    assert len(rows(registry, "SELECT id FROM browser_sessions")) == 1
    assert secret not in repr(rows(registry, "SELECT * FROM browser_sessions"))
    missing = visitor.open("/no/Such").expect(404)
    assert "bob" in missing.text and "Sign in" not in missing.text and "not signed in" not in missing.text
    gone = visitor.submit(page, action="/logout").expect(200)
    assert "You are signed out." in gone.text and "Sign in" in gone.text
    assert rows(registry, "SELECT id FROM browser_sessions") == []
    with Visitor(registry.address) as thief:
        thief.cookies["dockboard"] = secret
        assert "Sign in" in thief.open("/").text


def test_the_cookie_is_for_pages_of_this_host_alone(registry, visitor):
    page = visitor.open("/login")
    plain = visitor.submit(page, field="password", follow=False, name="bob", password=PASSWORD)
    (kept,) = [line for line in plain.response.headers.get_all("Set-Cookie") if line.startswith("dockboard=")]
    assert kept.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax"
    with Visitor(registry.address, headers={"X-Forwarded-Proto": "https"}) as secure:
        page = secure.open("/login")
        assert page.response.headers["Strict-Transport-Security"]
        behind = secure.submit(page, field="password", follow=False, name="bob", password=PASSWORD)
        lines = behind.response.headers.get_all("Set-Cookie")
        (kept,) = [line for line in lines if line.startswith("__Host-dockboard=")]
        assert kept.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax; Secure"
        assert "Sign out" in secure.open("/").text


@pytest.mark.parametrize("path", ["/v2/", "/api/v1/account", "/v2/bob/app/tags/list", "/token"])
def test_cookies_count_on_pages_only(registry, visitor, path):
    visitor.sign_in("bob")
    answer = visitor.send("GET", path, headers={"Accept": "application/json"})
    nobody = Visitor(registry.address).send("GET", path, headers={"Accept": "application/json"})
    assert answer.status == nobody.status and (answer.status == 401 or path == "/token")


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("bob", "wrong horse", "do not go together"),
        ("nobody", PASSWORD, "do not go together"),
        ("bob", "", "do not go together"),
        ("", PASSWORD, "Enter the name"),
        ("bob@example.org", PASSWORD, "e-mail address"),
        ("<b>", "x", "do not go together"),
    ],
)
def test_what_does_not_let_in_is_said_and_the_name_is_kept(registry, name, password, said):
    with elsewhere(registry, f"192.0.2.{len(name) + len(password)}") as visitor:
        page = visitor.open("/login")
        again = visitor.submit(page, field="password", name=name, password=password).expect(422)
        assert said in again.text and "You are not signed in" in again.text
        assert again.html.count("aria-invalid") == 1
        fields = dict(again.form(field="password").fields)
        assert fields["name"] == name and fields["password"] == ""


def test_an_access_token_is_for_clients(registry, visitor):
    secret = People(registry).command("token", "add", "bob", "--name", "laptop")
    again = visitor.submit(visitor.open("/login"), field="password", name="bob", password=secret).expect(422)
    assert "access token" in again.text


def test_the_state_of_an_account_is_said_after_the_right_password_only(registry):
    People(registry).command("user", "disable", "eve")
    with elsewhere(registry, "192.0.2.77") as visitor:
        for password, said in ((PASSWORD, "account is disabled"), ("wrong horse", "do not go together")):
            again = visitor.submit(visitor.open("/login"), field="password", name="eve", password=password)
            assert again.status == 422 and said in again.text
    People(registry).command("user", "enable", "eve")


def test_guesses_count_together_with_those_of_clients(registry):
    with Api(registry.address, {**basic("ann", "wrong horse"), "X-Forwarded-For": "198.51.100.7"}) as client:
        for _ in range(6):
            client.call("GET", "/account").expect(401)
    with elsewhere(registry, "198.51.100.7") as visitor:
        page = visitor.open("/login")
        for _ in range(4):
            visitor.submit(page, field="password", name="ann", password="wrong horse").expect(422)
        stopped = visitor.submit(page, field="password", name="ann", password=PASSWORD).expect(429)
        assert int(stopped.response.headers["Retry-After"]) >= 1
    with Api(registry.address, {**basic("ann", PASSWORD), "X-Forwarded-For": "198.51.100.7"}) as client:
        client.call("GET", "/account").expect(429)
    People(registry).command("user", "unlock", "ann")


@pytest.mark.parametrize(
    ("next", "location"),
    [
        ("/help?x=1", "/help?x=1"),
        ("/r/acme/app:v1", "/r/acme/app:v1"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
    ],
)
def test_who_signed_in_goes_on_to_a_page_of_this_registry(registry, visitor, next, location):
    page = visitor.open("/login")
    answer = visitor.submit(page, field="password", follow=False, name="bob", password=PASSWORD, next=next)
    assert (answer.status, answer.location) == (303, location)
    assert "a" not in visitor.cookies


def test_a_new_login_makes_a_new_secret_and_ends_the_session_before(registry, visitor):
    visitor.cookies["dockboard"] = planted = "A" * 43
    visitor.sign_in("bob")
    first = visitor.cookies["dockboard"]
    assert first != planted
    with Visitor(registry.address) as other:
        other.cookies["dockboard"] = planted
        assert "Sign in" in other.open("/").text
    assert visitor.open("/login", follow=False).location == "/"


def test_a_form_of_somebody_else_does_nothing(registry):
    """Two people in tabs of one browser: the second one signed in after the first one's page was loaded."""
    with Visitor(registry.address) as visitor, Visitor(registry.address) as other:
        page = visitor.sign_in("bob").open("/")
        other.sign_in("ann")
        bobs, visitor.cookies = visitor.cookies, other.cookies
        visitor.submit(page, action="/logout", follow=False).expect(403)
        assert "Sign out" in visitor.open("/").text
        visitor.cookies = bobs
        assert "Sign out" in visitor.open("/").text


def test_another_password_and_disabling_end_sessions_at_once(registry, visitor):
    people = People(registry)

    def ends(password: str, change) -> None:
        visitor.sign_in("bob", password)
        assert "Sign out" in visitor.open("/").text
        change()
        assert "Sign in" in visitor.open("/").text

    ends(PASSWORD, lambda: people.set_password("bob", OTHER))
    ends(OTHER, lambda: people.command("user", "disable", "bob"))
    people.command("user", "enable", "bob")
    people.set_password("bob", PASSWORD)


def test_who_comes_from_elsewhere_without_tls_is_warned(registry, visitor):
    with elsewhere(registry, "192.0.2.9") as other:
        assert "not encrypted" in other.open("/login").text
        assert "not encrypted" not in other.open("/login", headers={"X-Forwarded-Proto": "https"}).text
    assert "not encrypted" not in visitor.open("/login").text
