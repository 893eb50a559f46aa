"""The pages of a namespace and of a repository's access: what owners change there, and what the pages say first."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time

import pytest

from tests.support.api import Api
from tests.support.people import As, People, basic
from tests.support.server import Registry
from tests.support.visitor import Page, Visitor


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """ann administers, bob owns acme, cid and dora are its members, eve has nothing."""
    with Registry(tmp_path_factory.mktemp("namespace") / "data", 1) as registry:
        people = People(registry)
        people.add("ann", "bob", "cid", "dora", "eve")
        people.command("user", "promote", "ann")
        people.command("org", "add", "acme", "--owner", "bob")
        with Api(registry.address, people.shown("ann")) as ann:
            for name in ("cid", "dora"):
                ann.call("PUT", f"/organizations/acme/members/{name}", {"role": "member"}).expect(204)
        with As(registry.address, people.shown("bob")) as bob:
            bob.push_image("acme/app", "v1", [b"a layer"])
        yield registry


@pytest.fixture(scope="module")
def bob(registry):
    with Visitor(registry.address) as visitor:
        yield visitor.sign_in("bob")


@pytest.fixture(scope="module")
def cid(registry):
    with Visitor(registry.address) as visitor:
        yield visitor.sign_in("cid")


def flash(page: Page) -> str:
    return re.search(r'<div class="flash[^>]*>(.*?)</div>', page.html, re.S)[1]


def sent(visitor: Visitor, path: str, deed: str, **fields: str) -> Page:
    """The answer to a form of this page with this deed, after redirects."""
    page = visitor.open(path).expect(200)
    form = next(form for form in page.forms if form.method == "POST" and ("do", deed) in form.fields + form.buttons)
    fields = {name: value for name, value in form.filled(**fields, do=deed)}
    answer = visitor.send("POST", path, fields, {"Sec-Fetch-Site": "same-origin"})
    return visitor.open(answer.location) if answer.status == 303 else answer


def confirmed(visitor: Visitor, preview: Page, **fields: str) -> Page:
    """The answer to the button of a preview."""
    return visitor.submit(preview.expect(200), field="sure", **fields)


def test_a_member_is_added_gets_a_role_and_leaves(bob, cid):
    path = "/@acme/members"
    page = sent(bob, path, "add", user="eve", role="member").expect(200)
    assert "eve is now member." in flash(page) and "eve" in page.text
    assert "eve is now owner." in flash(sent(bob, path, "owner", user="eve"))
    preview = sent(bob, path, "remove", user="eve")
    assert "Remove eve from acme?" in preview.text and "eve is no member of acme any more" in preview.text
    assert "eve" in cid.open(path).text, "a preview changes nothing"
    assert "eve is no member any more." in flash(confirmed(bob, preview))
    assert "eve" not in cid.open(path).expect(200).text


def test_a_form_with_a_mistake_comes_back_with_what_was_typed(bob):
    page = sent(bob, "/@acme/members", "add", user="nobody", role="owner")
    assert page.expect(422).form(field="role").filled()
    assert 'value="nobody"' in page.html and 'aria-invalid="true"' in page.html
    assert "There is no user nobody." in page.text and '<option value="owner" selected>' in page.html
    page = sent(bob, "/@acme/members", "member", user="bob")
    assert page.status == 409 and "last owner" in page.text


def test_members_see_members_and_no_forms(cid):
    page = cid.open("/@acme/members").expect(200)
    assert "bob" in page.text and [form for form in page.forms if form.action == "" and form.method == "POST"] == []
    assert cid.open("/@acme/members?sort=seen").status == 400, "when others were seen is for owners"
    for path in ("/@acme/robots", "/@acme/grants", "/@acme/settings"):
        assert cid.open(path).status == 403


def test_members_are_found_by_a_part_of_their_name(bob):
    page = bob.open("/@acme/members?q=DOR&role=member").expect(200)
    assert "dora" in page.text and "cid" not in page.text and "1 of 1" in page.text
    assert "Nothing fits the filter" in bob.open("/@acme/members?q=zzz").text


def test_a_team_is_made_filled_and_deleted(bob):
    page = bob.submit(bob.open("/@acme/teams"), field="team", team="dev").expect(200)
    assert "The team dev is made." in flash(page)
    assert "dora is in the team now." in flash(sent(bob, "/@acme/teams/dev", "add", user="dora"))
    assert sent(bob, "/@acme/teams/dev", "add", user="eve").status == 422, "eve is no member"
    leaving = sent(bob, "/@acme/members", "remove", user="dora").expect(200)
    assert "dora leaves 1 team: dev." in leaving.text
    sent(bob, "/@acme/grants", "give", holder="team:acme/dev", right="write", pattern="acme/**")
    assert "acme/" in bob.open("/@acme/teams/dev").text
    preview = sent(bob, "/@acme/teams/dev", "delete")
    assert "1 grant goes with it." in preview.text and "1 member stays in the organization." in preview.text
    assert "The team dev is deleted." in flash(confirmed(bob, preview))
    assert bob.open("/@acme/teams/dev").status == 404


def test_a_secret_is_shown_once_and_works(registry, bob):
    page = bob.submit(bob.open("/@acme/robots"), field="robot", robot="ci", expires="30d").expect(200)
    secret = re.search(r"dbk_[A-Za-z0-9_-]+", page.html)[0]
    assert page.response.headers["Cache-Control"] == "no-store" and "docker login --username acme/" in page.text
    assert secret not in bob.open("/@acme/robots/ci").expect(200).html
    with As(registry.address, basic("acme/ci", secret)) as robot:
        robot.get("/v2/").expect(200)
        again = sent(bob, "/@acme/robots/ci", "rotate", overlap="0s", expires="")
        assert secret not in again.expect(200).html
        robot.get("/v2/").expect(401)
    assert bob.submit(bob.open("/@acme/robots"), field="robot", robot="ci", expires="30d").status == 409


def test_a_robot_account_is_disabled_enabled_and_deleted(registry, bob):
    bob.submit(bob.open("/@acme/robots"), field="robot", robot="old", expires="90d").expect(200)
    preview = sent(bob, "/@acme/robots/old", "disable")
    assert "1 secret that counts stops working." in preview.text
    assert "acme/old is disabled." in flash(confirmed(bob, preview))
    assert "acme/old is enabled." in flash(sent(bob, "/@acme/robots/old", "enable"))
    assert "acme/old is deleted." in flash(confirmed(bob, sent(bob, "/@acme/robots/old", "delete")))
    assert bob.open("/@acme/robots/old").status == 404


def test_rights_are_given_and_taken_back(bob):
    path = "/@acme/grants"
    assert "user:eve has the right on acme/*." in flash(
        sent(bob, path, "give", holder="eve", right="read", pattern="acme/*")
    )
    assert sent(bob, path, "give", holder="eve", right="read", pattern="other/*").status == 422
    assert sent(bob, path, "give", holder="team:other/dev", right="read", pattern="acme/*").status == 422
    page = sent(bob, path, "take", holder="user:eve", pattern="acme/*").expect(200)
    assert "user:eve has no grant on acme/* any more." in flash(page)


def test_the_access_of_a_repository_and_why(bob):
    path = "/r/acme/app/-/access"
    page = bob.open(path).expect(200)
    assert "owner of acme" in page.text and "members of acme" in page.text and "private repository" in page.text
    assert "Refused:" in bob.open(f"{path}?who=eve&action=pull").text
    page = sent(bob, path, "give", holder="eve", right="write", pattern="acme/app").expect(200)
    assert "grant of write on acme/app" in page.text
    asked = bob.open(f"{path}?who=eve&action=push")
    assert "Allowed:" in asked.text and '<option value="push" selected>' in asked.html
    chinese = bob.open(f"{path}?who=eve&action=delete", headers={"Accept-Language": "zh"}).text
    assert "没有任何停用" in chinese and "No grant covers it" not in chinese
    asked = bob.open(f"{path}?who=none-such&action=push").expect(200)
    assert "There is no user none-such." in asked.text and 'value="none-such"' in asked.html
    assert "has no grant" in flash(sent(bob, path, "take", holder="user:eve", pattern="acme/app"))


def test_what_first_pushes_make_and_the_quota(registry, bob):
    path = "/@acme/settings"
    assert "Saved." in flash(sent(bob, path, "visibility", visibility="public"))
    assert "Saved." in flash(sent(bob, path, "visibility", visibility="private"))
    assert "quota" not in [value for form in bob.open(path).forms for _, value in form.fields]
    with Visitor(registry.address) as ann:
        ann.sign_in("ann")
        assert "Saved." in flash(sent(ann, path, "quota", bytes="10GiB", repositories="5"))
        assert "of 10.0 GiB" in ann.open(path).text and "of 5" in ann.open(path).text
        wrong = sent(ann, path, "quota", bytes="a lot", repositories="6")
        assert wrong.status == 422 and 'value="a lot"' in wrong.html and 'value="6"' in wrong.html
        token = ann.open(path).form(field="visibility").filled()
    forged = dict(bob.open(path).form(field="visibility").filled()) | {
        "do": "quota",
        "bytes": "1GiB",
        "repositories": "9",
    }
    assert dict(token) and bob.send("POST", path, forged, {"Sec-Fetch-Site": "same-origin"}).status == 403


def test_owners_see_what_was_changed_in_their_namespace(registry, bob, cid):
    with Api(registry.address, basic("ann")) as ann:
        ann.call("POST", "/organizations", {"name": "elsewhere", "owner": "eve"}).expect(201)
    page = bob.open("/@acme/changes").expect(200)
    assert "org.member.add" in page.text and "manifest.push" in page.text and "elsewhere" not in page.text
    assert page.text.count("org.member.add") > bob.open("/@acme/changes?actor=nobody").text.count("org.member.add")
    found = bob.open("/@acme/changes?action=manifest.push").text
    assert "user bob" in found and "org.add" not in found
    lines = bob.open("/@acme/changes/lines?action=manifest.push").expect(200).response.body.decode().splitlines()
    assert [json.loads(line)["object"] for line in lines] == ["repository acme/app"]
    assert "user.add" in bob.open("/@bob/changes").expect(200).text
    assert cid.open("/@acme/changes").status == 403 and bob.open("/@elsewhere/changes").status == 404
    assert bob.open("/@acme/changes?after=x").status == 400
    with Api(registry.address, basic("bob")) as api, Api(registry.address, basic("cid")) as member:
        objects = {item["object"] for item in api.all("/namespaces/acme/audit")}
        assert {"org acme", "repository acme/app"} <= objects
        assert all(object.split(" ")[1].split("/")[0] == "acme" for object in objects)
        member.call("GET", "/namespaces/acme/audit").expect(403)
        api.call("GET", "/namespaces/elsewhere/audit").expect(404)


def test_members_see_quota_and_counts_beside_the_repositories(registry, bob):
    with Visitor(registry.address) as eve, Api(registry.address, basic("ann")) as ann:
        ann.call("PATCH", "/namespaces/acme/quota", {"bytes": 3 << 30, "repositories": 70}).expect(200)
        ann.call("PATCH", "/repositories/acme%2Fapp", {"visibility": "public"}).expect(200)
        page = bob.open("/@acme").expect(200)
        assert "At most 70 repositories" in page.text and "1 repository that you may pull" in page.text
        assert "3.00 GiB" in page.text and "/@acme/members" in page.links
        other = eve.sign_in("eve").open("/@acme").expect(200)
        assert "3.00 GiB" not in other.text and "/@acme/members" not in other.links
        ann.call("PATCH", "/namespaces/acme/quota", {"bytes": None, "repositories": None}).expect(200)
        ann.call("PATCH", "/repositories/acme%2Fapp", {"visibility": "private"}).expect(200)
        assert "No limit in bytes" in bob.open("/@acme").text


def test_an_organization_is_deleted_by_its_name(registry):
    People(registry).command("org", "add", "beta", "--owner", "bob")
    with Visitor(registry.address) as bob:
        bob.sign_in("bob")
        preview = sent(bob, "/@beta/settings", "delete")
        assert "Delete the organization beta?" in preview.text and "1 member loses access." in preview.text
        wrong = confirmed(bob, preview, typed="alpha")
        assert wrong.status == 422 and "This is not the name." in wrong.text and 'value="alpha"' in wrong.html
        assert "is deleted" in flash(confirmed(bob, preview, typed="beta"))
        assert bob.open("/@beta/members").status == 404


def test_the_file_of_changes_in_a_namespace_is_short(registry):
    """Each of these entries is about as long as one may be."""
    tags, at = ["v" * 125 + str(number) for number in range(100, 125)], time.time_ns() // 1000
    detail = json.dumps({"digest": "sha256:" + "0" * 64, "tags": tags})
    rows = [
        (at + number << 11, at // 1000, "user eve", "", "manifest.push", "repository eve/app", detail)
        for number in range(1100)
    ]
    with contextlib.closing(sqlite3.connect(registry.root / "registry.db", timeout=10)) as database, database:
        database.executemany(
            "INSERT INTO audit (id, happened_at, actor, address, action, object, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    with Visitor(registry.address) as eve:
        eve.sign_in("eve")
        body = eve.open("/@eve/changes/lines").expect(200).response.body
        assert len(body.splitlines()) == 1000 and len(body) < 4 << 20
        assert any(eve.send("GET", "/@eve/changes/lines?since=2999-01-01").status == 429 for _ in range(900))
