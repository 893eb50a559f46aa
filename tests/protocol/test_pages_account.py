"""The pages of the own account."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest

from tests.support.api import Api
from tests.support.people import PASSWORD, People, basic
from tests.support.server import Registry
from tests.support.visitor import Page, Visitor

OTHER = "another battery horse"
SECRET = re.compile(r"dbr_[0-9A-Za-z]{46}")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    root = tmp_path_factory.mktemp("account") / "data"
    with Registry(root, 1, server_trusted_proxies=["127.0.0.1"]) as registry:
        people = People(registry)
        people.add("ann", "bob", "cid", "dan", "eve")
        people.command("user", "promote", "ann")
        yield registry
    assert PASSWORD not in registry.log.read_text() and OTHER not in registry.log.read_text()


def signed_in(registry: Registry, name: str) -> Visitor:
    return Visitor(registry.address, headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}).sign_in(
        name
    )


def long_ago(registry: Registry) -> None:
    """Passwords were entered an hour ago."""
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as database:
        database.execute("UPDATE browser_sessions SET confirmed_at = confirmed_at - 3600000")
    database.close()


PAGES = ("/account", "/account/password", "/account/tokens", "/account/sessions", "/account/leave", "/account/export")


@pytest.mark.parametrize("path", PAGES)
def test_nobody_else_opens_the_pages_of_an_account(registry, path):
    with Visitor(registry.address) as visitor:
        answer = visitor.open(path, follow=False)
        assert (answer.status, answer.location) == (303, f"/login?next={path.replace('/', '%2F')}")
    with signed_in(registry, "bob") as bob:
        assert bob.open(path).expect(200).response.headers["Cache-Control"] in ("no-store", "private, no-cache")


def test_the_profile_is_changed_and_mistakes_keep_what_was_typed(registry):
    with signed_in(registry, "bob") as bob:
        page = bob.open("/account")
        saved = bob.submit(page, field="full_name", full_name="Bob 鲍勃 <b>", company="Acme", url="https://bob.example")
        assert "Saved." in saved.text and "<b>" not in saved.html.replace("<b>Nothing", "")
        fields = dict(saved.form(field="full_name").fields)
        assert fields["full_name"] == "Bob 鲍勃 <b>" and fields["url"] == "https://bob.example"
        again = bob.submit(saved, field="full_name", company="Umbrella", url="javascript:alert(1)").expect(422)
        fields = dict(again.form(field="full_name").fields)
        assert fields["company"] == "Umbrella" and "not the URL of a web page" in again.text
        assert dict(bob.open("/account").form(field="full_name").fields)["company"] == "Acme"


def test_preferences_change_every_page(registry):
    with signed_in(registry, "cid") as cid:
        page = cid.open("/account")
        cid.submit(page, field="zone", zone="Asia/Shanghai", language="zh", theme="dark", shortcuts=None).expect(200)
        found = cid.open("/").html
        assert 'lang="zh-Hans" data-theme="dark"' in found and 'data-keys="off"' in found and "Asia/Shanghai" in found
    with signed_in(registry, "cid") as elsewhere:
        page = elsewhere.open("/account")
        assert 'lang="zh-Hans" data-theme="dark"' in page.html
        elsewhere.submit(page, action="/preferences", lang="en").expect(200)
        again = elsewhere.submit(elsewhere.open("/account"), field="zone", zone="Europe/Atlantis").expect(422)
        assert "no time zone" in again.text
    with Api(registry.address, basic("cid")) as api:
        chosen = api.call("GET", "/account/preferences").expect(200).json()
    assert chosen == {
        "zone": "Asia/Shanghai",
        "language": "en",
        "theme": "dark",
        "shortcuts": False,
        "client": None,
    }


def make(visitor: Visitor, page: Page, **fields) -> Page:
    return visitor.submit(page, field="repositories", **fields)


def test_a_token_is_shown_once_and_lets_clients_in(registry):
    with signed_in(registry, "bob") as bob:
        page = bob.open("/account/tokens")
        assert "No tokens" in page.text and "password" not in page.form(field="repositories").names
        made = make(bob, page, name="laptop", repositories="bob/app, bob/tool-*", actions=["pull", "push"]).expect(200)
        (secret,) = set(SECRET.findall(made.html))
        assert f"docker login --username bob --password-stdin {registry.address}" in made.text.replace("\u200b", "")
        assert made.response.headers["Cache-Control"] == "no-store"
        with Api(registry.address, basic("bob", secret)) as api:
            token = api.call("GET", "/account").expect(200).json()["token"]
        assert (token["repositories"], token["actions"]) == ("bob/app,bob/tool-*", "pull,push")
        assert token["expires_at"] - token["created_at"] == pytest.approx(90 * 86400_000, abs=60_000)
        # Reloading the answer sends the form again.
        again = make(bob, page, name="laptop", repositories="", actions=["pull"]).expect(409)
        assert "token laptop already" in again.text and not SECRET.search(again.html)
        assert not SECRET.search(bob.open("/account/tokens").html)
        gone = bob.submit(bob.open("/account/tokens"), action="/account/tokens", field="token")
        assert "is revoked" in gone.text
        with Api(registry.address, basic("bob", secret)) as api:
            api.call("GET", "/account").expect(401)


def test_everything_is_a_token_without_limits(registry):
    with signed_in(registry, "bob") as bob:
        every = ["pull", "push", "create", "delete", "admin", "catalog"]
        made = make(bob, bob.open("/account/tokens"), name="all", actions=every, expires="").expect(200)
        with Api(registry.address, basic("bob", SECRET.search(made.html)[0])) as api:
            token = api.call("GET", "/account").expect(200).json()["token"]
        assert (token["repositories"], token["actions"], token["expires_at"]) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Laptop!"}, "2 to 64 lower-case"),
        ({"name": "other", "repositories": "Acme/**/x***"}, "pattern"),
        ({"name": "other", "actions": None}, "at least one thing"),
        ({"name": "other", "actions": "fly"}, "no action"),
        ({"name": "other", "expires": "900y"}, "when the token ends"),
    ],
)
def test_mistakes_make_no_token(registry, fields, said):
    with signed_in(registry, "eve") as eve:
        again = make(eve, eve.open("/account/tokens"), **fields).expect(422)
        assert said in again.text and not SECRET.search(again.html)
        assert "No tokens" in again.text


def test_after_a_quarter_of_an_hour_a_dangerous_deed_takes_the_password_again(registry):
    with signed_in(registry, "dan") as dan:
        long_ago(registry)
        page = dan.open("/account/tokens")
        assert "password" in page.form(field="repositories").names
        for given, said in (("", "Enter your password."), ("wrong horse", "This is not your password.")):
            again = make(dan, page, name="laptop", password=given).expect(422)
            assert said in again.text and not SECRET.search(again.html)
            assert dict(again.form(field="repositories").fields)["name"] == "laptop"
        made = make(dan, again, name="laptop", password=PASSWORD).expect(200)
        assert SECRET.search(made.html) and "password" not in made.form(field="repositories").names


def test_guesses_in_a_session_count_too(registry):
    People(registry).add("hal")
    headers = {"X-Forwarded-For": "198.51.100.20"}
    with Visitor(registry.address, headers=headers).sign_in("hal") as hal:
        page = hal.open("/account/password")
        found = [hal.submit(page, field="current", current="wrong horse", new_password=OTHER) for _ in range(11)]
        assert {each.status for each in found[:10]} == {422} and found[10].status == 429
        assert int(found[10].response.headers["Retry-After"]) >= 1
        assert "Sign out" in hal.open("/").text


def test_another_password_ends_all_other_sessions(registry):
    with signed_in(registry, "dan") as dan, signed_in(registry, "dan") as thief:
        before = dan.cookies["dockboard"]
        page = dan.open("/account/password")
        assert "1 other session" in page.text or "other sessions" in page.text
        for fields, said in (
            ({"current": "wrong horse", "new_password": OTHER}, "not your password"),
            ({"current": PASSWORD, "new_password": "tiny-pw"}, "too short"),
            ({"current": PASSWORD, "new_password": "password1234"}, "guessed first"),
        ):
            again = dan.submit(page, field="current", **fields).expect(422)
            assert said in again.text and PASSWORD not in again.html and fields["new_password"] not in again.html
        done = dan.submit(page, field="current", current=PASSWORD, new_password=OTHER).expect(200)
        assert "The password is set." in done.text and dan.cookies["dockboard"] != before
        assert "Sign in" in thief.open("/").text
        thief.cookies["dockboard"] = before
        assert "Sign in" in thief.open("/").text
    People(registry).set_password("dan", PASSWORD)


def test_the_address_for_mails_takes_the_password(registry):
    with signed_in(registry, "dan") as dan:
        long_ago(registry)
        page = dan.open("/account/password")
        dan.submit(page, field="email", email="thief@example.org").expect(422)
        saved = dan.submit(page, field="email", email="dan@example.org", password=PASSWORD).expect(200)
        assert dict(saved.form(field="email").fields)["email"] == "dan@example.org"
        assert "not an e-mail address" in dan.submit(saved, field="email", email="x").expect(422).text


def test_sessions_are_listed_and_ended(registry):
    with signed_in(registry, "eve") as eve, signed_in(registry, "eve") as phone, signed_in(registry, "eve") as tablet:
        page = eve.open("/account/sessions")
        assert page.text.count("Firefox, Linux") >= 3 and page.text.count("this one") == 1
        forms = [form for form in page.forms if "session" in form.names]
        phones = [dict(form.fields)["session"] for form in forms]
        for id in ("1", "9" * 19, "9" * 20, "-1", "\u0661", ""):
            fields = forms[0].filled(session=id)
            assert eve.send("POST", "/account/sessions", fields, {"Sec-Fetch-Site": "same-origin"}).status == 404
        for id in phones[1:2]:
            eve.submit(page, field="session", session=id).expect(200)
        left = ["Sign out" in each.open("/").text for each in (eve, phone, tablet)]
        assert left.count(True) == 2 and left[0] or not left[0]
        rest = next(each for each, there in zip((eve, phone, tablet), left) if there)
        others = [form for form in rest.open("/account/sessions").forms if dict(form.fields).get("do") == "others"]
        rest.send("POST", "/account/sessions", others[0].fields, {"Sec-Fetch-Site": "same-origin"}).expect(303)
        assert ["Sign out" in each.open("/").text for each in (eve, phone, tablet)].count(True) == 1


def test_a_banner_says_that_somebody_else_set_the_password_until_it_is_changed(registry):
    People(registry).add("kit")
    People(registry).set_password("kit", OTHER)
    with Visitor(registry.address) as kit:
        kit.sign_in("kit", OTHER)
        assert "Somebody else set your password." in kit.open("/").text
        page = kit.open("/account/password")
        changed = kit.submit(page, field="new_password", current=OTHER, new_password=PASSWORD + " again").expect(200)
        assert "Somebody else" not in changed.text
    with signed_in(registry, "bob") as bob:
        assert "Somebody else" not in bob.open("/").text


def test_ones_own_data_are_a_file(registry):
    with signed_in(registry, "ann") as ann:
        answer = ann.open("/account/export").response
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''ann.json"
        found = json.loads(answer.body)
        assert found["user"]["name"] == "ann" and len(found["sessions"]) >= 1
        assert ann.cookies["dockboard"] not in answer.body.decode() and "scrypt" not in answer.body.decode()


def test_an_account_is_deleted_by_name_and_password(registry):
    People(registry).add("gil")
    with signed_in(registry, "gil") as gil:
        long_ago(registry)
        page = gil.open("/account/leave")
        assert "not your name" in gil.submit(page, action="/leave", name="bob", password=PASSWORD).expect(422).text
        gil.submit(page, action="/leave", name="gil", password="wrong horse").expect(422)
        gone = gil.submit(page, action="/leave", name="gil", password=PASSWORD).expect(200)
        assert "The account gil is deleted." in gone.text and "Sign in" in gone.text
    with signed_in(registry, "ann") as ann:
        refused = ann.submit(ann.open("/account/leave"), action="/leave", name="ann").expect(409)
        assert "last administrator" in refused.text
