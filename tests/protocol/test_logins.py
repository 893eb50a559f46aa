"""Ways to log in: what clients show and how they show it, behind which proxies, and what they hear where it does not count."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import pytest

from tests.protocol.test_accounts import address
from tests.support.http import Client
from tests.support.people import FORM, PASSWORD, As, People, basic, bearer
from tests.support.server import Registry

PULL = "repository:acme/app:pull"
MANIFEST = "/v2/acme/app/manifests/v1"
PUBLIC = "/v2/acme/public/manifests/v1"


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """bob owns acme, which has a private repository and a public one; everyone may pull the public one."""
    # This machine counts as a proxy, so that failed logins can come from many addresses.
    settings = {"auth_anonymous": "pull", "server_trusted_proxies": ["127.0.0.1/32"]}
    with deploy(tmp_path_factory.mktemp("logins") / "data", workers=2, **settings) as registry:
        people = People(registry)
        people.add("bob")
        people.command("org", "add", "acme", "--owner", "bob")
        with people.as_user("bob") as bob:
            bob.push_image("acme/app", "v1")
            bob.push_image("acme/public", "v1")
        people.command("repository", "set", "acme/public", "--public")
        yield registry


@pytest.fixture
def people(registry):
    return People(registry)


@pytest.mark.parametrize("trusted", [[], ["127.0.0.1"]], ids=["unknown", "trusted"])
@pytest.mark.edge
def test_who_is_said_to_ask_by_https_is_sent_to_log_in_by_https(tmp_path, trusted):
    """Else a client would send its password in clear, where the proxy is missing in server.trusted_proxies."""
    with Registry(tmp_path / "data", 1, server_trusted_proxies=trusted, log_access=False) as registry, Client(registry.address) as client:
        People(registry).add("ann")
        for value in ("https", "HTTPS", "https, http", "https,https"):
            shown = {"X-Forwarded-Proto": value}
            assert client.get(MANIFEST, shown).expect(401).headers["WWW-Authenticate"].startswith(f'Bearer realm="https://{registry.address}/token"')
            wrong = client.get("/token", {**shown, "Authorization": "Bearer x"}).expect(401)
            assert wrong.headers["WWW-Authenticate"] == f'Basic realm="https://{registry.address}/token"'
        assert 'realm="http://' in client.get(MANIFEST, {"X-Forwarded-Proto": "http"}).expect(401).headers["WWW-Authenticate"]


NOBODY = {"Authorization": "Basic Og=="}


def test_an_empty_name_with_an_empty_password_is_nobody(registry, people, client):
    """Some clients send that where nobody is logged in. It fails no login: the network would have to wait for it."""
    for shown in (NOBODY, {"Authorization": "basic Og=="}) * 6:
        client.get(PUBLIC, shown).expect(200)
        assert "error=" not in client.get(MANIFEST, shown).expect(401).headers["WWW-Authenticate"]
        assert client.get("/v2/", shown).expect(401).headers["WWW-Authenticate"] == client.get("/v2/").headers["WWW-Authenticate"]
        assert "shows no credentials" in client.get("/api/v1/repositories", shown).expect(401).json()["errors"][0]["message"]
        people.token(shown, "repository:acme/public:pull").expect(200)
        people.form(grant_type="password", username="", password="").expect(200)
    client.get("/v2/", basic("bob")).expect(200)


def test_the_token_server_takes_a_post_that_only_shows_the_header(registry, people, client):
    """Such a client sends what it asks for in the query, or in a form without grant_type."""
    query = urlencode({"scope": PULL, "service": "dockboard-registry"})
    for path, form in ((f"/token?{query}", b""), ("/token", query.encode()), (f"/token?{query}&offline_token=true", b"")):
        told = client.request("POST", path, {**FORM, **basic("bob")}, form).expect(200).json()
        assert told["scope"] == PULL and ("refresh_token" in told) == ("offline" in path)
        As(registry.address, bearer(told["token"])).get(MANIFEST).expect(200)
    assert client.request("POST", f"/token?{query}", basic("bob", "wrong horse")).expect(401).headers["WWW-Authenticate"].startswith("Basic realm=")
    assert client.request("POST", f"/token?{query}", NOBODY).expect(200).json()["scope"] == ""
    client.request("POST", "/token?service=elsewhere.example", basic("bob")).expect(400)
    # Who shows nothing is told what to send.
    client.request("POST", f"/token?{query}", FORM).expect(400)


def test_names_are_lower_case_and_an_e_mail_address_is_none(registry, people, client):
    """Neither is a guess: who is told what to write logs in at once."""
    secret = people.command("token", "add", "bob", "--name", "spelled")
    people.command("user", "set", "bob", "--email", "bob@example.org")
    for name in ("Bob", "BOB", "bob"):
        for password in (PASSWORD, secret):
            client.get("/v2/", basic(name, password)).expect(200)
            people.token(basic(name, password), PULL).expect(200)
            client.get("/api/v1/account", basic(name, password)).expect(200)
        people.form(grant_type="password", username=name, password=PASSWORD, scope=PULL).expect(200)
    for name in ("bob@example.org", "Bob@Example.org", "nobody@example.org") * 6:
        told = [client.get("/v2/", basic(name)), people.token(basic(name)), people.form(grant_type="password", username=name, password=PASSWORD)]
        told += [client.get("/v2/", basic(name, secret)), client.get("/api/v1/account", basic(name))]
        assert {answer.expect(401).json()["errors"][0]["message"] for answer in told} == {told[0].json()["errors"][0]["message"]}
        assert "log in with the account's name instead of the e-mail address" in told[0].json()["errors"][0]["message"]
    client.get("/v2/", basic("bob")).expect(200)


def test_who_guesses_keeps_others_behind_the_same_address_waiting_for_seconds(registry, people, client):
    people.add("ann", "cid")
    network = {"X-Forwarded-For": address()}
    client.get("/v2/", {**basic("cid"), **network}).expect(200)
    for number in range(14):
        client.get("/v2/", {**basic(f"nobody{number}", "wrong horse"), **network}).expect(401, 429)
    client.get("/v2/", {**basic("cid"), **network}).expect(200)
    end = time.monotonic() + 25
    while (answer := client.get("/v2/", {**basic("ann"), **network})).status == 429 and time.monotonic() < end:
        time.sleep(int(answer.headers["Retry-After"]))
    answer.expect(200)
    # What was counted for a name in one spelling counts in every other.
    people.add("dan")
    for number in range(12):
        client.get("/v2/", {**basic("Dan" if number % 2 else "dan", "wrong horse"), "X-Forwarded-For": address()}).expect(401, 429)
    client.get("/v2/", {**basic("DAN"), "X-Forwarded-For": address()}).expect(429)
