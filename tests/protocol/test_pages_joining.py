"""The pages on which people make accounts and set passwords, and the first account of a registry."""

from __future__ import annotations

import re

import pytest

from tests.support.people import People
from tests.support.server import Registry
from tests.support.smtp import MailServer
from tests.support.visitor import Visitor

NEW = "staple battery horse"
LINK = re.compile(r"https://registry\.example\.com(/\S+)")


@pytest.fixture(scope="module")
def mails():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def registry(tmp_path_factory, mails):
    """With an administrator ann; people make accounts with an invitation. Each test is a network of its own."""
    root = tmp_path_factory.mktemp("joining") / "data"
    settings = {
        "auth_registration": "invitation",
        "server_external_url": "https://registry.example.com",
        **mails.settings,
    }
    with Registry(root, 1, server_trusted_proxies=["127.0.0.1"], **settings) as registry:
        people = People(registry)
        people.add("ann", "bob")
        people.command("user", "promote", "ann")
        people.command("user", "set", "bob", "--email", "bob@example.org")
        yield registry
    assert NEW not in registry.log.read_text()


def from_network(registry: Registry, network: str) -> Visitor:
    return Visitor(registry.address, headers={"X-Forwarded-For": network})


def invitation(registry: Registry, *more: str) -> str:
    return People(registry).command("invitation", "add", *more).split()[-1]


def test_an_invitation_makes_an_account_that_is_signed_in(registry):
    code = invitation(registry, "--email", "cid@example.org")
    with from_network(registry, "192.0.2.1") as cid:
        brought = cid.open(f"/register?code={code}", follow=False)
        assert (brought.status, brought.location) == (303, "/register")
        page = cid.open("/register").expect(200)
        assert "You are invited" in page.text and code not in page.html
        fields = dict(page.form(field="name").fields)
        assert fields["email"] == "cid@example.org" and "code" not in fields
        for wrong, said in (
            ({"name": "C!", "password": NEW}, "2 to 64 lower-case"),
            ({"name": "cid", "password": "short"}, "too short"),
            ({"name": "cid", "password": NEW, "email": "x"}, "not an e-mail address"),
            ({"name": "ann", "password": NEW}, "not free"),
        ):
            again = cid.submit(page, field="name", **wrong)
            assert again.status in (409, 422) and said in again.text and NEW not in again.html
        welcome = cid.submit(page, field="name", name="cid", password=NEW).expect(200)
        assert "Welcome, cid." in welcome.text and "Sign out" in welcome.text
    with from_network(registry, "192.0.2.2") as other:
        ended = other.open(f"/register?code={code}").expect(200)
        assert "is used up" in ended.text
        again = other.submit(ended, field="name", name="eve", password=NEW, code=code).expect(422)
        assert "is used up" in again.text


def test_without_a_code_nobody_makes_an_account_by_invitation(registry):
    with from_network(registry, "192.0.2.3") as visitor:
        page = visitor.open("/register").expect(200)
        assert (
            "Enter the code" in visitor.submit(page, field="name", name="eve", password=NEW, code="").expect(422).text
        )


def test_a_forgotten_password_is_set_by_the_link_in_a_mail(registry, mails):
    with from_network(registry, "192.0.2.4") as bob:
        page = bob.open("/forgot").expect(200)
        told = bob.submit(page, field="account", account="bob").expect(200)
        unknown = bob.submit(page, field="account", account="nobody").expect(200)
        assert "Look into your mail" in told.text and told.text == unknown.text
        mail = mails.wait(1)[0]
        link = LINK.search(mail.text)[1]
        assert bob.open(link, follow=False).location == "/reset"
        page = bob.open("/reset").expect(200)
        assert "for the account bob" in page.text and link.partition("=")[2] not in page.html
        bob.submit(page, field="password", password="password1234").expect(422)
        done = bob.submit(page, field="password", password=NEW).expect(200)
        assert "The password of bob is set." in done.text
        bob.sign_in("bob", NEW)
        again = bob.open(link).expect(200)
        assert "used up" in again.text


def test_an_administrators_token_is_typed(registry):
    token = re.search(r"[A-Za-z0-9_-]{43}", People(registry).command("user", "invite", "dora"))[0]
    with from_network(registry, "192.0.2.5") as dora:
        page = dora.open("/invitation").expect(200)
        dora.submit(page, field="token", token="x" * 43, password=NEW).expect(422)
        dora.submit(page, field="token", token=token, password=NEW).expect(200)
        dora.sign_in("dora", NEW)


def test_a_token_is_no_code_and_a_code_that_is_used_up_blocks_nobody(tmp_path):
    with Registry(tmp_path / "data", 1, auth_registration="open") as registry, Visitor(registry.address) as visitor:
        people = People(registry)
        people.add("ann")
        token = re.search(r"[A-Za-z0-9_-]{43}", people.command("user", "invite", "dora"))[0]
        visitor.open(f"/invitation?token={token}").expect(200)
        register = visitor.open("/register").expect(200)
        assert "is used up" not in register.text
        assert "Welcome, eve." in visitor.submit(register, field="name", name="eve", password=NEW).expect(200).text
        page = visitor.open("/invitation").expect(200)
        assert "for the account dora" in page.text
        visitor.submit(page, field="password", password=NEW).expect(200)
        code = invitation(registry)
        for name in ("fay", "gil"):
            # Of the first one the code is used up after the page was shown, of the second one before.
            with Visitor(registry.address) as other:
                page = other.open(f"/register?code={code}").expect(200)
                with Visitor(registry.address) as first:
                    first.open(f"/register?code={code}")
                    first.submit(first.open("/register"), field="name", name=f"{name}-1", password=NEW).expect(200)
                done = other.submit(page, field="name", name=name, password=NEW).expect(200)
                assert f"Welcome, {name}." in done.text
        with Visitor(registry.address) as stale:
            assert "is used up" in stale.open(f"/register?code={code}").expect(200).text
            assert "dockboard-code" not in stale.cookies


def test_nobody_makes_an_account_where_that_is_off(tmp_path):
    with Registry(tmp_path / "data", 1) as registry, Visitor(registry.address) as visitor:
        People(registry).add("ann")
        visitor.open("/register").expect(404)
        assert "/register" not in visitor.open("/login").html
        assert "sends no mail" in visitor.open("/forgot").expect(200).text


def test_whoever_waits_for_approval_is_told_so(tmp_path):
    with Registry(tmp_path / "data", 1, auth_registration="approval") as registry, Visitor(registry.address) as eve:
        People(registry).add("ann")
        page = eve.open("/register").expect(200)
        waits = eve.submit(page, field="name", name="eve", password=NEW).expect(200)
        assert "has to approve it" in waits.text
        refused = eve.submit(waits, field="password", name="eve", password=NEW).expect(422)
        assert "has to approve the account first" in refused.text
        People(registry).command("user", "approve", "eve")
        eve.sign_in("eve", NEW)


def test_the_first_account_is_made_on_this_machine(tmp_path):
    with Registry(tmp_path / "data", 1) as registry, Visitor(registry.address) as ann:
        home = ann.open("/").expect(200)
        assert "Nobody has an account yet" in home.text and "/setup" in home.links
        for elsewhere in ({"X-Forwarded-For": "192.0.2.1"}, {"Host": "registry.example.com"}, {"Via": "1.1 proxy"}):
            ann.send("GET", "/setup", headers=elsewhere).expect(404)
        ann.open("/login").expect(404)
        page = ann.open("/setup").expect(200)
        again = ann.submit(page, field="name", name="ann", password="short").expect(422)
        assert "too short" in again.text
        done = ann.submit(page, field="name", name="ann", password=NEW, email="ann@example.org").expect(200)
        assert "You administer this registry." in done.text and "Nobody has an account" not in done.text
        ann.open("/setup").expect(404)
        late = ann.send("POST", "/setup", page.form(field="name").filled(name="eve", password=NEW))
        assert late.status in (403, 404)
        with Visitor(registry.address) as other:
            other.sign_in("ann", NEW)
        assert "ann" in People(registry).command("user", "list")


@pytest.mark.parametrize("setting", ["none", "pull", "push"])
def test_a_registry_that_is_open_by_its_configuration_is_not_set_up_by_a_page(tmp_path, setting):
    with Registry(tmp_path / "data", 1, auth_anonymous=setting) as registry, Visitor(registry.address) as visitor:
        visitor.open("/setup").expect(404)
        assert "Nobody has an account" not in visitor.open("/").text
