"""Whole stories in a real browser, from the first page to what comes of it. No page on the way may say anything on
the console.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.browser.content import furnish
from tests.browser.steps import sign_in, sign_out
from tests.support.http import Client
from tests.support.people import PASSWORD, As, basic
from tests.support.server import Registry
from tests.support.tools import tool

NEW = "a long new password"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    root = tmp_path_factory.mktemp("stories") / "data"
    with Registry(root, 1, auth_anonymous="pull", auth_registration="invitation") as found:
        furnish(found, large=False)
        yield found


@pytest.fixture
def window(browser, registry):
    """A new window at the registry. No page may have said anything on the console."""
    with browser.window(registry.url) as window:
        yield window
        assert window.all_said == []


def test_from_the_first_run_to_the_first_push(browser, tmp_path):
    """Nobody has an account yet. Whoever sits at the machine makes one, pushes, and sees the image."""
    with Registry(tmp_path / "data", 1) as registry, browser.window(registry.url) as window:
        window.visit("/")
        window.page.locator("main a[href$='/setup']").first.click()
        window.fill(name="ann", password=NEW)
        window.click("Make the account and sign in")
        assert window.page.locator("summary", has_text="ann").count() == 1, window.text()
        window.picture("story-after-setup")
        with As(registry.address, basic("ann", NEW)) as client:
            client.push_image("ann/app", "v1")
        with Client(registry.address) as nobody:
            assert nobody.get("/v2/ann/app/tags/list").status == 401
        window.visit("/")
        window.page.locator("main a[href$='/r/ann/app']").first.click()
        window.page.wait_for_load_state("load")
        assert "v1" in window.text() and f"docker pull {registry.address}/ann/app:v1" in window.text()
        assert window.visit("/setup") == 404
        assert window.all_said == []


def test_an_account_by_invitation(browser, registry, window):
    """An administrator makes the account, and passes the address on; there the new user sets a password."""
    sign_in(window, "ann")
    window.visit("/admin/users")
    window.fill(name="kim", full_name="김민준")
    window.click("Make the account")
    address = window.page.locator("main .cmd code").first.inner_text()
    assert "kim" in window.heading() and address.startswith("http")
    with browser.window(registry.url) as theirs:
        theirs.page.goto(address)
        assert "?" not in theirs.page.url
        theirs.page.locator("main input[type=password]").first.fill(NEW)
        theirs.page.locator("main form button.main").click()
        theirs.page.wait_for_load_state("load")
        sign_in(theirs, "kim", NEW)
        # The address counts once.
        theirs.page.goto(address)
        assert "used up" in theirs.text()
        assert theirs.all_said == []


def test_an_organization_with_a_team(registry, window):
    """ann makes the organization for bob; bob makes a team that may push, and lets mei in."""
    sign_in(window, "ann")
    window.visit("/admin/organizations")
    window.page.locator("#f-name").fill("works")
    window.fill(owner="bob")
    window.click("Make the organization")
    sign_out(window, "ann")
    sign_in(window, "bob")
    window.visit("/@works/members")
    window.fill(user="mei")
    window.click("Add")
    window.visit("/@works/teams")
    window.fill(team="build")
    window.click("Make the team")
    window.visit("/@works/teams/build")
    window.fill(user="mei")
    window.click("Add")
    window.visit("/@works/grants")
    window.fill(holder="team:works/build", pattern="works/**")
    window.page.locator("#f-right").select_option("write")
    window.page.locator("main form button.main").click()
    window.page.wait_for_load_state("load")
    with As(registry.address, basic("mei")) as mei, As(registry.address, basic("eve")) as eve:
        mei.push_image("works/tool", "v1")
        assert eve.request("POST", "/v2/works/tool/blobs/uploads/").status in (403, 404)
    assert "build" in window.text()


def test_a_token_logs_a_client_in(registry, window, tmp_path):
    """The secret is shown once. podman logs in with it, and can't do what it is not for."""
    sign_in(window, "bob")
    window.visit("/account/tokens")
    window.fill(name="laptop", repositories="acme/app-*")
    window.click("Make the token")
    secret = window.page.locator(".secret .cmd code").first.inner_text()
    assert secret.startswith("dbr_") and window.page.locator(".secret").count() == 1
    window.picture("story-token")
    window.visit("/account/tokens")
    assert secret not in window.page.content() and "laptop" in window.text()
    command = [
        "login",
        "--tls-verify=false",
        "--authfile",
        tmp_path / "auth.json",
        "--username",
        "bob",
        "--password-stdin",
    ]
    done = subprocess.run(
        [tool("podman"), *command, registry.address], input=secret, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    with As(registry.address, basic("bob", secret)) as client:
        assert client.get("/v2/acme/app-web/tags/list").status == 200
        assert client.request("POST", "/v2/acme/app-web/blobs/uploads/").status == 403
    row = window.page.locator("tr", has_text="laptop")
    row.get_by_role("button", name="Revoke").click()
    window.page.wait_for_load_state("load")
    assert "laptop" in window.flash()
    with As(registry.address, basic("bob", secret)) as client:
        assert client.get("/v2/acme/app-web/tags/list").status == 401


def test_signing_out_everywhere(browser, registry, window):
    """Another browser of the same user is signed out from here; so it is after another password."""
    with browser.window(registry.url) as other:
        sign_in(other, "eve")
        sign_in(window, "eve")
        window.visit("/account/sessions")
        assert "this one" in window.text()
        window.click("Sign out everywhere else")
        assert "1" in window.flash()
        other.visit("/account")
        assert other.path.startswith("/login?next=")
        sign_in(other, "eve")
        window.visit("/account/password")
        window.fill(current=PASSWORD, new_password=NEW)
        window.page.locator("form button.main").first.click()
        window.page.wait_for_load_state("load")
        other.visit("/account")
        assert other.path.startswith("/login?next=") and other.all_said == []
        window.visit("/account")
        assert window.heading() == "eve"


def test_a_form_with_a_fault_keeps_what_was_typed(registry, window):
    """The wrong field has the focus and says what is wrong, and the password is typed again."""
    sign_in(window, "mei")
    window.visit("/account")
    window.fill(full_name="王小明", company="第一公司")
    window.page.locator("#f-url").evaluate("field => field.type = 'text'")
    window.fill(url="no address")
    window.page.locator("main form button.main").first.click()
    window.page.wait_for_load_state("load")
    assert window.page.locator("#f-full_name").input_value() == "王小明"
    assert window.page.locator("#f-url").input_value() == "no address"
    assert window.page.locator("#f-url").get_attribute("aria-invalid") == "true"
    assert window.page.evaluate("document.activeElement.id") == "f-url"
    assert window.page.title().startswith("Error: ")
    assert window.page.locator("[role=alert]").count() == 1
    window.picture("story-form-again")


def test_the_language_and_the_theme_stay(window):
    window.visit("/login")
    window.click("简体中文")
    assert window.page.locator("html").get_attribute("lang") == "zh-Hans"
    window.click("深色")
    window.visit("/help")
    html = window.page.locator("html")
    assert (html.get_attribute("lang"), html.get_attribute("data-theme")) == ("zh-Hans", "dark")
