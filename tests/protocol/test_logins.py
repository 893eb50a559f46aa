"""Ways to log in: what clients show and how they show it, behind which proxies, and what they hear where it does not
count.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from urllib.parse import urlencode

import pytest

from tests.protocol.test_accounts import address
from tests.support.http import Client
from tests.support.people import BCRYPT, FORM, PASSWORD, As, People, basic, bearer, without_libcrypt
from tests.support.rounds import LONG
from tests.support.server import Registry

TIMES = 100 if LONG else 3
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
    with (
        Registry(tmp_path / "data", 1, server_trusted_proxies=trusted, log_access=False) as registry,
        Client(registry.address) as client,
    ):
        People(registry).add("ann")
        for value in ("https", "HTTPS", "https, http", "https,https"):
            shown = {"X-Forwarded-Proto": value}
            assert (
                client.get(MANIFEST, shown)
                .expect(401)
                .headers["WWW-Authenticate"]
                .startswith(f'Bearer realm="https://{registry.address}/token"')
            )
            wrong = client.get("/token", {**shown, "Authorization": "Bearer x"}).expect(401)
            assert wrong.headers["WWW-Authenticate"] == f'Basic realm="https://{registry.address}/token"'
        assert (
            'realm="http://'
            in client.get(MANIFEST, {"X-Forwarded-Proto": "http"}).expect(401).headers["WWW-Authenticate"]
        )


NOBODY = {"Authorization": "Basic Og=="}


def test_an_empty_name_with_an_empty_password_is_nobody(registry, people, client):
    """Some clients send that where nobody is logged in. It fails no login: the network would have to wait for it."""
    for shown in (NOBODY, {"Authorization": "basic Og=="}) * 6:
        client.get(PUBLIC, shown).expect(200)
        assert "error=" not in client.get(MANIFEST, shown).expect(401).headers["WWW-Authenticate"]
        assert (
            client.get("/v2/", shown).expect(401).headers["WWW-Authenticate"]
            == client.get("/v2/").headers["WWW-Authenticate"]
        )
        assert (
            "shows no credentials"
            in client.get("/api/v1/repositories", shown).expect(401).json()["errors"][0]["message"]
        )
        people.token(shown, "repository:acme/public:pull").expect(200)
        people.form(grant_type="password", username="", password="").expect(200)
    client.get("/v2/", basic("bob")).expect(200)


def test_the_token_server_takes_a_post_that_only_shows_the_header(registry, people, client):
    """Such a client sends what it asks for in the query, or in a form without grant_type."""
    query = urlencode({"scope": PULL, "service": "dockboard-registry"})
    for path, form in (
        (f"/token?{query}", b""),
        ("/token", query.encode()),
        (f"/token?{query}&offline_token=true", b""),
    ):
        told = client.request("POST", path, {**FORM, **basic("bob")}, form).expect(200).json()
        assert told["scope"] == PULL and ("refresh_token" in told) == ("offline" in path)
        As(registry.address, bearer(told["token"])).get(MANIFEST).expect(200)
    assert (
        client.request("POST", f"/token?{query}", basic("bob", "wrong horse"))
        .expect(401)
        .headers["WWW-Authenticate"]
        .startswith("Basic realm=")
    )
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
        told = [
            client.get("/v2/", basic(name)),
            people.token(basic(name)),
            people.form(grant_type="password", username=name, password=PASSWORD),
        ]
        told += [client.get("/v2/", basic(name, secret)), client.get("/api/v1/account", basic(name))]
        assert {answer.expect(401).json()["errors"][0]["message"] for answer in told} == {
            told[0].json()["errors"][0]["message"]
        }
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
        client.get(
            "/v2/", {**basic("Dan" if number % 2 else "dan", "wrong horse"), "X-Forwarded-For": address()}
        ).expect(401, 429)
    client.get("/v2/", {**basic("DAN"), "X-Forwarded-For": address()}).expect(429)


def htpasswd(people: People, status: int = 0, **lines: str) -> str:
    """What `user import` says to a file with these names and hashes."""
    file = people.registry.root.parent / "htpasswd"
    file.write_text("".join(f"{name}:{stored}\n" for name, stored in lines.items()))
    done = people.registry.prepare("user", "import", "--htpasswd", str(file))
    assert done.returncode == status, done
    return done.stdout + done.stderr


def test_bcrypt_of_an_htpasswd_file_lets_in_and_is_replaced(registry, people, client):
    htpasswd(people, gus=BCRYPT, hal=BCRYPT)
    for name in ("gus", "hal"):
        client.get("/v2/", {**basic(name, "wrong horse"), "X-Forwarded-For": address()}).expect(401)
        for _ in range(3):
            client.get("/v2/", {**basic(name), "X-Forwarded-For": address()}).expect(200)
        client.get("/v2/", {**basic(name, "wrong horse"), "X-Forwarded-For": address()}).expect(401)


@pytest.mark.edge
def test_bcrypt_lets_in_without_libcrypt_and_what_takes_too_long_is_said_at_the_import(tmp_path):
    """registry:2 takes bcrypt alone, and its users come with it, to machines whose C library has none too."""
    with (
        Registry(tmp_path / "data", 1, environment=without_libcrypt(tmp_path)) as registry,
        Client(registry.address) as client,
    ):
        people = People(registry)
        said = htpasswd(people, 1, bob=BCRYPT, ann="$2y$12$" + BCRYPT[7:])
        assert (
            "1 account made, 1 refused" in said
            and "'ann': at a login this machine would need" in said
            and "htpasswd -B -C 5" in said
        )
        client.get("/v2/", basic("bob", "wrong horse")).expect(401)
        assert stored(registry, "bob") == BCRYPT
        client.get("/v2/", basic("bob")).expect(200)
        assert stored(registry, "bob").startswith("$scrypt$")
        client.get("/v2/", basic("bob", "wrong horse")).expect(401)


@pytest.mark.edge
def test_a_hash_that_can_not_be_computed_here_counts_no_guesses(tmp_path):
    """The database came from a quicker machine.

    Its operator is told, and other accounts behind the same address are not kept waiting.
    """
    with Registry(tmp_path / "data", 1) as registry, Client(registry.address) as client:
        people = People(registry)
        people.add("ann", "bob")
        with sqlite3.connect(tmp_path / "data" / "registry.db", timeout=10) as database:
            database.execute("UPDATE users SET password = ? WHERE name = 'bob'", ["$2y$31$" + BCRYPT[7:]])
        for _ in range(12):
            assert (
                "name or password is wrong"
                in client.get("/v2/", basic("bob")).expect(401).json()["errors"][0]["message"]
            )
        client.get("/v2/", basic("ann")).expect(200)
        people.set_password("bob", "staple battery horse")
        client.get("/v2/", basic("bob", "staple battery horse")).expect(200)
    assert registry.log.read_text().count("the imported hash of user bob") == 1


def stored(registry: Registry, name: str) -> str:
    """The hash that the database has of a user's password."""
    with sqlite3.connect(f"file:{registry.root}/registry.db?mode=ro", uri=True, timeout=10) as database:
        return database.execute("SELECT password FROM users WHERE name = ?", [name]).fetchone()[0]


@pytest.mark.alone
@pytest.mark.edge
def test_an_imported_slow_hash_is_not_found_out_by_the_clock(tmp_path):
    """A wrong password for it takes as long as one for nobody, until its owner's first login and after that."""
    with Registry(tmp_path / "data", 1, server_trusted_proxies=["127.0.0.1"]) as registry:
        people = People(registry)
        people.add("ann")
        htpasswd(people, bob="$2y$12$" + BCRYPT[7:])
        with Client(registry.address) as client:
            client.get("/v2/", basic("ann")).expect(200)

            def took(name: str) -> float:
                begun = time.monotonic()
                client.get("/v2/", {**basic(name, f"wrong {time.monotonic()}"), "X-Forwarded-For": address()}).expect(
                    401
                )
                return time.monotonic() - begun

            found = {name: [] for name in ("ann", "bob", "nobody", "no name!")}
            for _ in range(TIMES):
                for name, times in found.items():
                    times.append(took(name))
        medians = {name: statistics.median(times) for name, times in found.items()}
        print({name: f"{seconds * 1000:.0f} ms" for name, seconds in medians.items()})
        assert max(medians.values()) < (1.05 if LONG else 1.3) * min(medians.values())
