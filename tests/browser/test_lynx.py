"""The pages in lynx: find an image, sign in, and make a token, without scripts and style sheets."""

from __future__ import annotations

import re

import pytest

from tests.browser.content import furnish
from tests.support.lynx import Lynx, dump, number_of
from tests.support.people import PASSWORD, As, basic
from tests.support.server import Registry
from tests.support.visitor import Visitor

ENTER, TAB = "\r", "\t"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("lynx") / "data", 1, auth_anonymous="pull") as found:
        furnish(found, large=False)
        yield found


def test_pages_can_be_read(registry):
    explore = dump(registry.url + "/")
    assert "acme/app-web" in explore and "团队的主要应用" in explore
    repository = dump(registry.url + "/r/acme/app-web")
    # Without a style sheet the commands of all clients show.
    for command in ("docker pull", "podman pull", "skopeo"):
        assert f"{command}" in repository
    assert f"{registry.address}/acme/app-web:" in repository


def test_sign_in_and_make_a_token(registry):
    with Visitor(registry.address) as visitor:
        name = number_of(visitor.open("/login").html, r"Name[^\[]*\[(\d+)\]")
        page = visitor.sign_in("bob").open("/account/tokens").html
        field = number_of(page, r"Make a token(?:.|\n)*?Name[^\[]*\[(\d+)\]")
        button = number_of(page, r"\[(\d+)\]BUTTON\) Make the token")
    with Lynx(registry.url + "/login") as lynx:
        # The tab key goes to the next link or field. Between the fields is the button that shows the password.
        lynx.keys(TAB * (name - 1), "bob", TAB * 2, PASSWORD, TAB, ENTER, until="Sign out")
        lynx.keys("g", until="URL to open")
        lynx.keys(f"{registry.url}/account/tokens{ENTER}", until="Your tokens")
        shown = lynx.keys(TAB * (field - 1), "from-lynx", TAB * (button - field), ENTER, until="dbr_")
        secret = re.search(r"dbr_\w{20,}", lynx.seen)
        assert secret, shown[-3000:]
    with As(registry.address, basic("bob", secret[0])) as client:
        assert client.get("/v2/acme/app-web/tags/list").status == 200
