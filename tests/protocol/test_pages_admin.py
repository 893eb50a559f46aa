"""The pages for administrators: users, organizations, uploads, jobs, changes, settings and what to look at."""

from __future__ import annotations

import json
import re

import pytest

from tests.protocol.test_pages_namespace import confirmed, flash, sent
from tests.support.api import Api
from tests.support.people import PASSWORD, As, People, basic
from tests.support.server import Registry, wait_for
from tests.support.visitor import Visitor

SAME = {"Sec-Fetch-Site": "same-origin"}
LONG = "staple battery horse 9"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """ann administers; bob, eve and zoe have accounts."""
    settings = {"auth_registration": "approval", "gc_interval": 0, "server_external_url": ""}
    with Registry(tmp_path_factory.mktemp("admin") / "data", 1, **settings) as registry:
        people = People(registry)
        people.add("ann", "bob", "eve", "zoe")
        people.command("user", "promote", "ann")
        yield registry


@pytest.fixture(scope="module")
def ann(registry):
    with Visitor(registry.address) as visitor:
        yield visitor.sign_in("ann")


def test_only_administrators_come_in(registry):
    with Visitor(registry.address) as nobody:
        assert nobody.open("/admin", follow=False).location == "/login?next=%2Fadmin"
    with Visitor(registry.address) as bob:
        bob.sign_in("bob")
        for path in ("/admin", "/admin/users", "/admin/users/bob", "/admin/system", "/admin/changes/lines"):
            assert bob.open(path).status == 403


def test_users_are_found_sorted_and_paged(ann):
    page = ann.open("/admin/users?q=O&sort=name&rows=25").expect(200)
    assert [link.rpartition("/")[2] for link in page.links if link.startswith("/admin/users/")] == ["bob", "zoe"]
    assert "1 of 1" in ann.open("/admin/users?state=administrators").text
    assert ann.open("/admin/users?sort=seen&after=nonsense").status == 400


# The database takes no number above 2^63 - 1.
LARGE = "9" * 19


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/admin/users?sort=seen&after=%s~bob", (200, 400, 400, 400)),
        ("/admin/users?sort=made&before=%s~bob", (200, 400, 400, 400)),
        ("/admin/organizations?sort=members&after=%s~acme", (200, 400, 400, 400)),
        ("/admin/invitations?after=%s", (200, 400, 400, 400)),
        ("/admin/changes?after=%s", (200, 400, 400, 400)),
        ("/?sort=pushed&after=%s~bob/app", (400, 400, 400, 400)),
    ],
)
def test_numbers_of_an_address_may_be_large_or_wrong(ann, path, statuses):
    assert tuple(ann.open(path % number).status for number in (LARGE, LARGE + "9", "--5", "%D9%A1")) == statuses


def test_an_account_that_waits_is_approved_or_rejected(registry, ann):
    with Api(registry.address, {}) as anyone:
        for name in ("newcomer", "another"):
            anyone.call("POST", "/registrations", {"name": name, "password": LONG}).expect(201)
    assert "2 accounts wait for approval" in ann.open("/admin").text
    page = sent(ann, "/admin/users?state=pending", "approve", name="newcomer")
    assert "newcomer may sign in now." in flash(page)
    assert "The account another is gone" in flash(sent(ann, "/admin/users?state=pending", "reject", name="another"))
    assert "accounts wait" not in ann.open("/admin").text


def test_an_invited_user_sets_a_password(registry, ann):
    page = sent(ann, "/admin/users", "invite", name="kim", email="kim@example.org", full_name="金")
    assert "kim is invited" in page.expect(200).text and page.response.headers["Cache-Control"] == "no-store"
    address = re.search(r"http://[^<]*/invitation\?token=[A-Za-z0-9_-]{43}", page.html.replace("<wbr>", ""))[0]
    with Visitor(registry.address) as kim:
        sets = kim.open(address.removeprefix(registry.url)).expect(200)
        kim.submit(sets, field="password", password=LONG).expect(200)
        kim.sign_in("kim", LONG)
    again = sent(ann, "/admin/users", "invite", name="kim", email="", full_name="")
    assert again.status == 409 and 'value="kim"' in again.html


def test_a_user_is_disabled_with_a_preview_and_enabled(registry, ann):
    People(registry).shown("eve")
    preview = sent(ann, "/admin/users/eve", "disable")
    assert "Disable eve?" in preview.text and "1 access token does not count." in preview.text
    assert "eve is disabled." in flash(confirmed(ann, preview))
    assert "disabled" in ann.open("/admin/users?q=eve").text
    assert "eve is enabled." in flash(sent(ann, "/admin/users/eve", "enable"))
    assert "eve can sign in from everywhere." in flash(sent(ann, "/admin/users/eve", "unlock"))


def test_administrators_are_made_and_unmade(ann):
    assert "zoe is an administrator now." in flash(confirmed(ann, sent(ann, "/admin/users/zoe", "promote")))
    assert "zoe is no administrator any more." in flash(confirmed(ann, sent(ann, "/admin/users/zoe", "demote")))
    page = ann.open("/admin/users/ann").expect(200)
    assert "Not for the last administrator" in page.text
    assert [form for form in page.forms if ("do", "demote") in form.fields] == []


def test_dangerous_deeds_take_the_password_again(registry, ann):
    with Visitor(registry.address) as other:
        other.sign_in("ann")
        long_ago = "UPDATE browser_sessions SET confirmed_at = confirmed_at - 3600000"
        _changed(registry, long_ago)
        preview = sent(other, "/admin/users/zoe", "promote")
        assert 'type="password"' in preview.html
        wrong = confirmed(other, preview, password="not the password")
        assert wrong.status in (403, 422) and 'type="password"' in wrong.html
        assert "zoe is an administrator now." in flash(confirmed(other, preview, password=PASSWORD))
        confirmed(other, sent(other, "/admin/users/zoe", "demote")).expect(200)


def _changed(registry: Registry, sql: str) -> None:
    import sqlite3

    with sqlite3.connect(registry.root / "registry.db", timeout=30) as database:
        database.execute(sql)
    database.close()


def test_a_user_is_deleted_by_name(registry, ann):
    People(registry).add("gus")
    preview = sent(ann, "/admin/users/gus", "delete")
    fields = {"password": PASSWORD} if 'type="password"' in preview.html else {}
    assert confirmed(ann, preview, typed="gu", **fields).status == 422
    assert "The account gus is deleted." in flash(confirmed(ann, preview, typed="gus", **fields))
    assert ann.open("/admin/users/gus").status == 404


def test_organizations_are_made_and_brought_back(registry, ann):
    page = sent(ann, "/admin/organizations", "make", name="acme", owner="bob")
    assert "The organization acme is made." in flash(page) and "bob" in page.text
    assert sent(ann, "/admin/organizations", "make", name="beta", owner="nobody").status == 422
    with Api(registry.address, basic("ann")) as api:
        api.call("DELETE", "/organizations/acme").expect(204)
    assert "The organization acme is back." in flash(sent(ann, "/admin/organizations", "restore", name="acme"))


def test_an_invitation_makes_one_account_or_is_revoked(registry, ann):
    page = sent(ann, "/admin/invitations", "make", email="lee@example.org", organization="", expires="7d").expect(200)
    code = re.search(r">([A-Za-z0-9_-]{43})<", page.html)[1]
    assert f"/register?code={code}" in page.html.replace("<wbr>", "")
    assert "lee@example.org" in ann.open("/admin/invitations").text
    with Api(registry.address, {}) as anyone:
        wanted = {"name": "lee", "password": LONG, "email": "lee@example.org", "invitation": code}
        assert anyone.call("POST", "/registrations", wanted).expect(201).json()["state"] == "active"
    assert "used by lee" in ann.open("/admin/invitations").text
    sent(ann, "/admin/invitations", "make", email="", organization="", expires="24h").expect(200)
    assert ann.submit(ann.open("/admin/invitations"), field="id", id=LARGE).status == 404
    page = ann.submit(ann.open("/admin/invitations"), field="id")
    assert "does not count any more" in flash(page)
    wrong = sent(ann, "/admin/invitations", "make", email="", organization="none", expires="7d")
    assert wrong.status == 422 and 'value="none"' in wrong.html


def test_uploads_are_listed_and_ended(registry, ann):
    with As(registry.address, basic("bob")) as bob:
        place = bob.start_upload("bob/app")
        page = ann.open("/admin/uploads").expect(200)
        assert "user bob" in page.text and "B/s" not in page.text and "Ends, UTC" in page.text
        bob.request("PATCH", place, {"Content-Type": "application/octet-stream"}, b"some bytes").expect(202)
        assert re.search(r"10 B\s*[\d.]+ (B|KiB)/s", ann.open("/admin/uploads").expect(200).text)
        assert "The upload is ended" in flash(ann.submit(page, field="upload"))
        bob.get(place).expect(404)


def test_lists_of_accounts_tell_what_is_held_where_a_quota_counts_it(registry, ann):
    assert "Holds" not in ann.open("/admin/users").text
    People(registry).command("user", "quota", "bob", "--bytes", "1GiB")
    with As(registry.address, basic("bob")) as bob:
        bob.push_image("bob/counted", "v1", [b"x" * 4096])
    assert re.search(r"Holds.*4\.\d+ KiB", ann.open("/admin/users").text, re.S)
    assert "Holds" not in ann.open("/admin/organizations").text


def test_a_job_runs_now(ann):
    page = ann.open("/admin/jobs").expect(200)
    assert "when you ask" in page.text or "never" in page.text
    asked = ann.send("POST", "/admin/jobs", _job(page, "collect"), {"Sec-Fetch-Site": "same-origin"})
    assert "collect runs within seconds." in flash(ann.open(asked.location))
    wait_for(lambda: "within seconds" not in ann.open("/admin/jobs").text, 30, "the end of the job")
    assert "nothing to do" in ann.open("/admin/jobs").text


def _job(page, name: str) -> list[tuple[str, str]]:
    return next(form for form in page.forms if ("job", name) in form.fields).filled()


def test_changes_are_filtered_and_downloaded(ann):
    page = ann.open("/admin/changes?actor=ann&action=user.disable").expect(200)
    assert "user eve" in page.text and "org.add" not in page.text
    lines = ann.open("/admin/changes/lines?action=user.disable").response
    assert lines.headers["Content-Disposition"].startswith("attachment")
    assert [json.loads(line)["object"] for line in lines.body.splitlines()] == ["user eve"]
    assert ann.open("/admin/changes?since=yesterday").status == 400
    assert ann.open("/admin/changes?since=2999-01-01").text.count("No change fits") == 1


def test_settings_come_with_their_source_and_the_key_is_renewed(ann):
    page = ann.open("/admin/system").expect(200)
    assert "environment DOCKBOARD_GC_INTERVAL" in page.text and "storage.root" in page.text
    preview = sent(ann, "/admin/system", "rotate")
    fields = {"password": PASSWORD} if 'type="password"' in preview.html else {}
    assert "There is a new signing key." in flash(confirmed(ann, preview, **fields))


def test_help_has_the_name_of_the_registry_and_of_the_visitor(registry, ann):
    page = ann.open("/help").expect(200)
    assert f"docker login --username ann --password-stdin {registry.address.partition('://')[2]}" in page.text
    assert "insecure-registries" in page.text


def test_several_users_are_disabled_and_enabled_at_once(registry, ann):
    def asked(deed: str, *names: str):
        page = ann.open("/admin/users").expect(200)
        form = next(form for form in page.forms if ("do", "disable") in form.fields + form.buttons)
        fields = [(name, value) for name, value in form.filled(do=deed) if name != "user"]
        return ann.send("POST", "/admin/users", [*fields, *(("user", name) for name in names)], SAME)

    People(registry).add("una", "vic")
    People(registry).shown("una")
    preview = asked("disable", "una", "vic")
    assert "Disable 2 users?" in preview.text and "una, vic" in preview.text
    assert "2 users are disabled." in flash(confirmed(ann, preview))
    found = ann.open("/admin/users?state=disabled").links
    assert {"/admin/users/una", "/admin/users/vic"} <= set(found) and "/admin/users/bob" not in found
    assert "2 users are enabled." in flash(confirmed(ann, asked("enable", "una", "vic")))
    assert "you chose 0" in flash(asked("disable").expect(422))
    assert "you chose 101" in flash(asked("disable", *(f"user{number}" for number in range(101))).expect(422))
    refused = asked("enable", "una").expect(422)
    assert "una is not disabled" in flash(refused) and re.search(r'value="una"[^>]* checked', refused.html)
    # All or nothing: somebody has to administer.
    last = confirmed(ann, asked("disable", "bob", "ann"))
    assert last.status == 409 and "/admin/users/bob" not in ann.open("/admin/users?state=disabled").links
    asked("disable", "bob", "nobody").expect(404)
    asked("disable", "../bob").expect(422)


def test_administrators_are_told_on_every_page_that_a_disk_is_full(tmp_path):
    with Registry(tmp_path / "data", 1) as registry, Visitor(registry.address) as ann, Visitor(registry.address) as bob:
        people = People(registry)
        people.add("ann", "bob")
        people.command("user", "promote", "ann")
        assert "is full" not in ann.sign_in("ann").open("/").text
        registry.stop()
        registry.configure(storage_reserve=1 << 50)
        registry.start()
        bob.sign_in("bob")
        for path in ("/", "/account", "/admin/users"):
            page = ann.open(path).expect(200)
            assert "The disk of the store is full: pushes are refused." in page.text and "/admin" in page.links
        assert "is full" not in bob.open("/").expect(200).text
