"""Accounts that people make themselves and passwords that they forgot, as clients of /api/v1 see it."""

from __future__ import annotations

import json
import re
import statistics
import time

import pytest

from tests.support.http import Client, Response
from tests.support.people import As, People, basic
from tests.support.server import Registry
from tests.support.smtp import MailServer

PASSWORD = "staple battery horse"
OTHER = "another battery horse"
TOKEN = re.compile(r"^    ([A-Za-z0-9_-]{43})\s*$", re.M)


@pytest.fixture(scope="module")
def mails():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def registry(tmp_path_factory, mails):
    """With an administrator ann; whoever makes an account waits for her."""
    root = tmp_path_factory.mktemp("registration") / "data"
    settings = {"auth_registration": "approval", **mails.settings}
    # Each test is a network of its own.
    with Registry(root, 2, server_trusted_proxies=["127.0.0.1"], **settings) as registry:
        People(registry).add("ann")
        People(registry).command("user", "promote", "ann")
        yield registry
    assert PASSWORD not in registry.log.read_text() and OTHER not in registry.log.read_text()


@pytest.fixture
def ann(registry):
    with As(registry.address, basic("ann")) as client:
        yield client


@pytest.fixture
def anyone(registry):
    with Client(registry.address) as client:
        yield client


def send(client: Client, method: str, path: str, body: object = None, network: str = "") -> Response:
    headers = {"Content-Type": "application/json"} if body is not None else {}
    headers |= {"X-Forwarded-For": network} if network else {}
    return client.request(method, f"/api/v1{path}", headers, None if body is None else json.dumps(body).encode())


def test_an_account_waits_until_it_is_approved(registry, ann, anyone):
    for name in ("bob", "cid"):
        made = send(
            anyone,
            "POST",
            "/registrations",
            {"name": name, "password": PASSWORD, "email": f"{name}@example.org"},
            "192.0.2.1",
        ).expect(201)
        assert made.json() == {"name": name, "state": "pending"}
    with As(registry.address, basic("bob", PASSWORD)) as bob:
        refused = bob.get("/api/v1/account").expect(401)
        assert "approve" in refused.json()["errors"][0]["message"]
        bob.get("/token?scope=repository:bob/app:push").expect(401)
        page = send(ann, "GET", "/registrations?limit=1").expect(200).json()
        assert [waiting["email"] for waiting in page["items"]] == ["bob@example.org"]
        assert [waiting["name"] for waiting in ann.get(page["next"]).expect(200).json()["items"]] == ["cid"]
        assert send(ann, "GET", "/users/bob").expect(200).json()["state"] == "pending"
        send(ann, "POST", "/registrations/bob/approve").expect(204)
        send(anyone, "POST", "/registrations", {"name": "dan", "password": PASSWORD}, "192.0.2.1").expect(201)
        send(ann, "DELETE", "/registrations/cid").expect(204)
        People(registry).command("user", "reject", "dan")
        send(ann, "DELETE", "/registrations/bob").expect(404)
        bob.push_image("bob/app", "v1", [b"layer"])
    assert send(ann, "GET", "/registrations").expect(200).json() == {"items": []}
    send(anyone, "POST", "/registrations", {"name": "bob", "password": PASSWORD}, "192.0.2.1").expect(409)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "eve", "password": PASSWORD, "administrator": True}, 400),
        ({"name": "eve", "password": PASSWORD, "state": "active"}, 400),
        ({"name": "Eve", "password": PASSWORD}, 400),
        ({"name": "eve", "password": "short"}, 400),
        ({"name": "eve", "password": "password1234"}, 422),
        ({"name": "token", "password": PASSWORD}, 422),
        ({"name": "eve", "password": PASSWORD, "email": "e@example.org\r\nBcc: x@example.org"}, 400),
        ({"name": "eve", "password": PASSWORD, "invitation": "x" * 43}, 403),
    ],
)
def test_what_nobody_registers_with(anyone, body, status):
    send(anyone, "POST", "/registrations", body, "192.0.2.2").expect(status)


def test_one_network_tries_ten_times_an_hour(anyone):
    answers = [
        send(anyone, "POST", "/registrations", {"name": "token", "password": PASSWORD}, "192.0.2.3") for _ in range(11)
    ]
    assert [answer.status for answer in answers] == [422] * 10 + [429] and int(
        answers[-1].headers["Retry-After"]
    ) > 3000
    send(anyone, "POST", "/registrations", {"name": "token", "password": PASSWORD}, "192.0.2.4").expect(422)


def test_an_invitation_needs_no_approval(registry, ann, anyone):
    People(registry).command("org", "add", "acme", "--owner", "ann")
    made = (
        send(ann, "POST", "/invitations", {"email": "fay@example.org", "organization": "acme", "expires": "1d"})
        .expect(201)
        .json()
    )
    wanted = {"name": "fay", "password": PASSWORD, "invitation": made["code"]}
    assert send(anyone, "POST", "/registrations", wanted, "192.0.2.5").expect(201).json()["state"] == "active"
    send(anyone, "POST", "/registrations", {**wanted, "name": "gus"}, "192.0.2.5").expect(403)
    (used,) = [
        item for item in send(ann, "GET", "/invitations").expect(200).json()["items"] if item["id"] == made["id"]
    ]
    assert (used["state"], used["used_by"], used["organization"], used["email"]) == (
        "used",
        "fay",
        "acme",
        "fay@example.org",
    )
    spare = send(ann, "POST", "/invitations", {}).expect(201).json()
    send(ann, "DELETE", f"/invitations/{spare['id']}").expect(204)
    for id in (spare["id"], used["id"], "1", "9" * 19):
        send(ann, "DELETE", f"/invitations/{id}").expect(404)
    send(ann, "GET", f"/invitations?after={'9' * 19}").expect(200)
    with As(registry.address, basic("fay", PASSWORD)) as fay:
        assert fay.get("/api/v1/account").expect(200).json()["organizations"] == [
            {"organization": "acme", "role": "member"}
        ]
        send(fay, "POST", "/invitations", {}).expect(403)


def test_a_forgotten_password_is_set_with_a_token_from_a_mail(registry, mails, ann, anyone):
    send(ann, "POST", "/users", {"name": "hal", "password": PASSWORD, "email": "hal@example.org"}).expect(201)
    with As(registry.address, basic("hal", PASSWORD)) as hal:
        hal.get("/api/v1/account").expect(200)
        assert (
            send(anyone, "POST", "/password-resets", {"account": "hal@example.org"}, "192.0.2.6").expect(202).body
            == b""
        )
        (token,) = TOKEN.findall(mails.wait(1)[-1].text)
        assert mails.mails[-1].recipients == ["hal@example.org"]
        send(anyone, "POST", "/password-resets/confirm", {"token": token, "password": "password1234"}).expect(422)
        send(anyone, "POST", "/password-resets/confirm", {"token": "x" * 43, "password": OTHER}).expect(403)
        send(anyone, "POST", "/password-resets/confirm", {"token": token, "password": OTHER}).expect(204)
        send(anyone, "POST", "/password-resets/confirm", {"token": token, "password": OTHER}).expect(403)
        hal.get("/api/v1/account").expect(401)
    with As(registry.address, basic("hal", OTHER)) as hal:
        hal.get("/api/v1/account").expect(200)
    count = len(mails.mails)
    assert People(registry).command("user", "reset", "hal", "--mail") == ""
    (printed,) = TOKEN.findall(mails.wait(count + 1)[-1].text)
    send(anyone, "POST", "/password-resets/confirm", {"token": printed, "password": PASSWORD}).expect(204)
    assert token not in registry.log.read_text()


def test_administrators_have_tokens_sent_by_mail(registry, mails, ann, anyone):
    for name, purpose, more in (("joe", "reset", {"password": PASSWORD}), ("lea", "invite", {})):
        send(ann, "POST", "/users", {"name": name, "email": f"{name}@example.org", **more}).expect(201)
        count = len(mails.mails)
        assert send(ann, "POST", f"/users/{name}/{purpose}/mail").expect(204).body == b""
        (token,) = TOKEN.findall(mails.wait(count + 1)[-1].text)
        assert mails.mails[-1].recipients == [f"{name}@example.org"]
        send(anyone, "POST", "/password-resets/confirm", {"token": token, "password": OTHER}).expect(204)
    send(ann, "POST", "/users/ann/reset/mail").expect(409)
    send(ann, "POST", "/users/nobody/reset/mail").expect(404)


def test_the_token_of_an_invited_user_sets_the_first_password(registry, ann, anyone):
    token = send(ann, "POST", "/users", {"name": "ida"}).expect(201).json()["token"]
    send(anyone, "POST", "/password-resets/confirm", {"token": token, "password": PASSWORD}).expect(204)
    with As(registry.address, basic("ida", PASSWORD)) as ida:
        ida.get("/api/v1/account").expect(200)


def test_asking_tells_nothing_about_who_there_is(registry, mails, ann, anyone):
    """The same status, headers and body, and no other time: the figures are medians of interleaved requests."""
    for number in range(8):
        send(
            ann, "POST", "/users", {"name": f"kit{number}", "email": f"kit{number}@example.org", "password": PASSWORD}
        ).expect(201)
    before, times, answers = len(mails.mails), {"kit": [], "nobody": []}, set()
    for number in range(8):
        for kind in times:
            began = time.perf_counter()
            answer = send(
                anyone, "POST", "/password-resets", {"account": f"{kind}{number}"}, f"198.51.100.{number}"
            ).expect(202)
            times[kind].append(time.perf_counter() - began)
            answers.add((answer.status, answer.body, tuple(sorted(key for key in answer.headers))))
            mails.wait(before + number + 1) if kind == "kit" else None
    assert len(answers) == 1
    known, unknown = (statistics.median(values) for values in times.values())
    assert known < 5 * unknown + 0.05 and unknown < 5 * known + 0.05


def test_a_locked_account_is_unlocked(registry, ann):
    with As(registry.address, basic("ann")) as administrator:
        send(administrator, "POST", "/users/ann/unlock").expect(204)
        send(administrator, "POST", "/users/nobody/unlock").expect(404)


@pytest.mark.parametrize("mode", ["off", "invitation"])
def test_where_nobody_makes_accounts_or_sends_mail_everyone_hears_so(tmp_path, mode):
    with Registry(tmp_path / "data", 1, auth_registration=mode) as registry, Client(registry.address) as client:
        People(registry).add("ann")
        send(client, "POST", "/registrations", {"name": "bob", "password": PASSWORD}).expect(403)
        for account in ("ann", "nobody"):
            send(client, "POST", "/password-resets", {"account": account}).expect(403)


def test_a_mail_that_was_asked_for_is_sent_before_the_server_stops(tmp_path):
    with MailServer() as server:
        settings = server.settings
        with Registry(tmp_path / "data", 1, **settings) as registry:
            People(registry).add("ann")
            People(registry).command("user", "set", "ann", "--email", "ann@example.org")
            with Client(registry.address) as client:
                send(client, "POST", "/password-resets", {"account": "ann"}).expect(202)
        assert [mail.recipients for mail in server.mails] == [["ann@example.org"]]


def test_a_mail_server_that_says_nothing_holds_nobody_up(tmp_path):
    with MailServer(silent=True) as server:
        settings = {**server.settings, "server_drain": 1}
        with Registry(tmp_path / "data", 1, **settings) as registry:
            People(registry).add("ann", "bob")
            for name in ("ann", "bob"):
                People(registry).command("user", "set", name, "--email", f"{name}@example.org")
            with Client(registry.address) as client:
                for _ in range(3):
                    began = time.monotonic()
                    for name in ("ann", "bob"):
                        send(client, "POST", "/password-resets", {"account": name}).expect(202)
                    assert client.get("/healthz").status == 200
                    assert time.monotonic() - began < 8
