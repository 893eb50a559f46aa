"""What users of the API must not get by it: a password by way of a token, the name of those who run the registry, what
others have.
"""

from __future__ import annotations

import pytest

from tests.support.api import Api
from tests.support.people import People, basic, bearer
from tests.support.server import Registry
from tests.support.smtp import MailServer

LONG = "staple battery horse"


@pytest.fixture(scope="module")
def mails():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def registry(tmp_path_factory, mails):
    """ann administers and owns acme with a team, a robot account and a private repository; bob and eve have nothing."""
    root = tmp_path_factory.mktemp("escalation") / "data"
    # Each test is a network of its own.
    with Registry(
        root,
        2,
        auth_registration="approval",
        auth_organizations="users",
        server_trusted_proxies=["127.0.0.1"],
        **mails.settings,
    ) as registry:
        people = People(registry)
        people.add("ann", "bob", "eve")
        people.command("user", "promote", "ann")
        people.command("user", "set", "bob", "--email", "bob@example.org")
        people.command("org", "add", "acme", "--owner", "ann")
        people.command("team", "add", "acme", "dev")
        people.command("robot", "add", "acme/ci")
        yield registry


@pytest.fixture
def ann(registry):
    with Api(registry.address, basic("ann")) as client:
        yield client


@pytest.fixture
def bob(registry):
    with Api(registry.address, basic("bob")) as client:
        yield client


@pytest.fixture
def eve(registry):
    with Api(registry.address, basic("eve")) as client:
        yield client


@pytest.fixture
def anyone(registry):
    with Api(registry.address, {}) as client:
        yield client


def network(number: int) -> dict[str, str]:
    return {"X-Forwarded-For": f"192.0.2.{number}"}


@pytest.mark.parametrize("wanted", [{"name": "admin-only", "actions": "admin"}, {"name": "everything"}])
def test_whoever_finds_a_token_has_no_password_sent_to_themselves(registry, bob, wanted):
    secret = bob.call("POST", "/account/tokens", wanted).expect(201).json()["secret"]
    for shown in (bearer(secret), basic("bob", secret)):
        with Api(registry.address, shown) as thief:
            for document in (
                {"email": "thief@example.org"},
                {"email": None},
                {"full_name": "Bob", "email": "thief@example.org"},
            ):
                thief.call("PATCH", "/account", document).expect(403)
            thief.call("PATCH", "/account", {"full_name": "Bob B."}).expect(200)
    assert bob.call("GET", "/account").json()["user"]["email"] == "bob@example.org"
    bob.call("PATCH", "/account", {"email": "bob@example.org"}).expect(200)


def test_a_token_makes_no_other_that_outlives_it(registry, ann, bob):
    """Nor one for others: whoever finds it keeps nothing when it has expired, or was revoked."""
    for client, name in ((ann, "ann"), (bob, "bob")):
        secret = client.call("POST", "/account/tokens", {"name": "found", "expires": "1h"}).expect(201).json()["secret"]
        for shown in (bearer(secret), basic(name, secret)):
            with Api(registry.address, shown) as thief:
                for path in ("/account/tokens", f"/users/{name}/tokens", "/users/eve/tokens"):
                    thief.call("POST", path, {"name": "kept"}).expect(403)
                    thief.call("POST", path, {"name": "kept", "expires": "1s"}).expect(403)
        assert "kept" not in [token["name"] for token in client.all("/account/tokens")]


def test_a_token_with_a_scope_makes_no_administrator(registry, ann):
    secret = (
        ann.call("POST", "/account/tokens", {"name": "admin-only", "actions": "admin"}).expect(201).json()["secret"]
    )
    with Api(registry.address, bearer(secret)) as scoped:
        for document in (
            {"administrator": True},
            {"email": "thief@example.org"},
            {"company": "ACME", "administrator": True},
        ):
            scoped.call("PATCH", "/users/eve", document).expect(403)
        scoped.call("PATCH", "/users/eve", {"company": "ACME"}).expect(200)
    found = ann.call("GET", "/users/eve").json()
    assert (found["administrator"], found["email"]) == (False, None)


TELL_SECRETS = (
    ("/organizations/acme/robots", {"name": "made"}), ("/organizations/acme/robots/ci/rotate", {"overlap": "0s"}),
    ("/users", {"name": "invited"}),
    ("/users/eve/reset", None), ("/invitations", {}),
)  # fmt: skip


@pytest.mark.parametrize("actions", ["admin", "admin,pull", "admin,pull,push,create,delete,catalog"])
def test_a_token_for_less_than_everything_is_told_no_secret(registry, ann, actions):
    """It would be for more than the token, and count when that has expired or was revoked."""
    secret = (
        ann.call("POST", "/account/tokens", {"name": f"less{len(actions)}", "actions": actions, "expires": "1h"})
        .expect(201)
        .json()["secret"]
    )
    for shown in (bearer(secret), basic("ann", secret)):
        with Api(registry.address, shown) as client:
            for path, document in TELL_SECRETS:
                assert (
                    "log in with the password, or with an access token without limits"
                    in client.call("POST", path, document).expect(403).json()["errors"][0]["message"]
                )
            client.call("POST", "/account/tokens", {"name": "other"}).expect(403)
            client.call("GET", "/organizations/acme/robots").expect(200)
    assert [robot["name"] for robot in ann.all("/organizations/acme/robots")] == ["ci"]


def test_a_token_for_some_repositories_is_told_no_secret(registry, ann):
    secret = (
        ann.call("POST", "/account/tokens", {"name": "in-acme", "repositories": "acme/**"}).expect(201).json()["secret"]
    )
    with Api(registry.address, bearer(secret)) as client:
        assert [client.call("POST", path, document).status for path, document in TELL_SECRETS] == [
            404,
            404,
            403,
            403,
            403,
        ]


def test_a_token_for_everything_is_told_secrets_as_the_password_is(registry, ann):
    secret = ann.call("POST", "/account/tokens", {"name": "all", "expires": "1h"}).expect(201).json()["secret"]
    with Api(registry.address, bearer(secret)) as client:
        assert [client.call("POST", path, document).status for path, document in TELL_SECRETS] == [
            201,
            200,
            201,
            200,
            201,
        ]
    for path in ("/organizations/acme/robots/made", "/users/invited"):
        ann.call("DELETE", path).expect(204)


def test_taking_back_what_was_never_given_tells_nothing_about_who_there_is(eve):
    def answer(holder: str) -> tuple:
        found = eve.call("DELETE", f"/grants/eve%2Fapp/{holder}").expect(404)
        return found.body.replace(holder.replace("%2F", "/").encode(), b"HOLDER")

    for there, missing in (
        ("team:acme%2Fdev", "team:acme%2Fnone"),
        ("robot:acme%2Fci", "robot:acme%2Fnone"),
        ("team:acme%2Fdev", "team:none%2Fdev"),
    ):
        assert answer(there) == answer(missing)


def test_explanations_tell_only_administrators_who_administers_and_who_is_disabled(registry, ann, eve, anyone):
    People(registry).add("dis")
    ann.call("PATCH", "/users/dis", {"state": "disabled"}).expect(200)
    anyone.call("POST", "/registrations", {"name": "pen", "password": LONG}, network(3)).expect(201)

    def explained(client: Api, who: str) -> bytes:
        return (
            client.call("GET", f"/explain?who={who}&action=delete&repository=eve/app")
            .expect(200)
            .body.replace(f"user {who} ".encode(), b"user WHO ")
        )

    assert len({explained(eve, who) for who in ("ann", "bob", "dis", "pen")}) == 1
    assert len({explained(ann, who) for who in ("ann", "bob", "dis", "pen")}) == 4


def test_nobody_makes_themselves_a_name_of_those_who_run_the_registry(ann, eve, anyone):
    for name in ("admin", "support"):
        anyone.call("POST", "/registrations", {"name": name, "password": LONG}, network(1)).expect(409)
        eve.call("POST", "/organizations", {"name": name}).expect(409)
    ann.call("POST", "/users", {"name": "support", "password": LONG}).expect(201)


def test_a_name_that_can_not_be_had_is_not_free_whatever_the_reason(ann, eve):
    ann.push_image("hidden/app", "v1", [b"layer"])
    ann.call("POST", "/organizations", {"name": "gone"}).expect(201)
    ann.call("DELETE", "/organizations/gone").expect(204)
    answers = {
        eve.call("POST", "/organizations", {"name": name}).expect(409).body.replace(name.encode(), b"NAME")
        for name in ("hidden", "gone", "bob", "acme", "admin")
    }
    assert len(answers) == 1
    eve.call("POST", "/organizations", {"name": "free"}).expect(201)


def test_what_others_were_given_ends_with_a_registration_that_is_refused(ann, bob, anyone):
    anyone.call("POST", "/registrations", {"name": "mal", "password": LONG}, network(2)).expect(201)
    ann.call("PUT", "/grants/mal%2F**/user:bob", {"right": "admin"}).expect(204)
    ann.call("PATCH", "/namespaces/mal/quota", {"bytes": 5}).expect(200)
    ann.call("DELETE", "/registrations/mal").expect(204)
    anyone.call("POST", "/registrations", {"name": "mal", "password": LONG}, network(2)).expect(201)
    ann.call("POST", "/registrations/mal/approve").expect(204)
    assert ann.call("GET", "/namespaces/mal/grants").json() == {"items": []}
    assert ann.call("GET", "/namespaces/mal/quota").json()["most_bytes"] is None
    bob.request("POST", "/v2/mal/app/blobs/uploads/").expect(403)


def test_one_address_gets_ten_mails_an_hour_however_many_accounts_give_it(mails, ann, anyone):
    for number in range(12):
        ann.call(
            "POST",
            "/users",
            {
                "name": f"flood{number:02}",
                "email": f"{'victim' if number % 2 else 'VICTIM'}@example.org",
                "password": LONG,
            },
        ).expect(201)
    before = len(mails.mails)
    for number in range(12):
        anyone.call("POST", "/password-resets", {"account": f"flood{number:02}"}, network(10 + number)).expect(202)
    anyone.call("POST", "/password-resets", {"account": "victim@example.org"}, network(30)).expect(202)
    anyone.call("POST", "/password-resets", {"account": "bob"}, network(31)).expect(202)
    mails.wait(before + 11)
    recipients = [mail.recipients[0].lower() for mail in mails.mails[before:]]
    assert recipients.count("victim@example.org") == 10 and recipients.count("bob@example.org") == 1
