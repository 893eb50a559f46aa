"""Attacks that only a real browser can show: what runs, what another site may do, and two people in one browser."""

from __future__ import annotations

import http.server
import threading

import pytest

from tests.security.loaded import AGENT, SHOWN, furnish
from tests.security.state import Unchanged
from tests.support.browser import Window
from tests.support.server import Registry
from tests.support.visitor import Visitor


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("attacks") / "data", 1, auth_anonymous="pull") as found:
        furnish(found)
        yield found


@pytest.fixture(scope="module")
def sessions(registry) -> dict[str, dict[str, str]]:
    """The cookies of who is signed in."""
    found = {"": {}}
    for name in ("ann", "bob", "eve"):
        with Visitor(registry.address, headers=AGENT) as visitor:
            found[name] = visitor.sign_in(name).cookies
    return found


@pytest.mark.parametrize("who", ["", "bob", "ann"])
def test_no_payload_runs(browser, registry, sessions, who):
    """Nothing runs, asks or is fetched from elsewhere, in any page."""
    wrong = []
    with browser.window(registry.url) as window:
        window.keep(sessions[who])
        for path in SHOWN:
            window.visit(path)
            ran = window.page.evaluate("window.__ran")
            hosts = {answer.url.split("/")[2] for answer in window.loaded} - {registry.address}
            wrong += [(path, what) for what in (*window.said, *hosts, *([ran] if ran else []))]
    assert wrong == []


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another site. It has one page."""

    page = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere():
    """The address of another site: for a browser, localhost is not the site of 127.0.0.1."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def at(window: Window, address: str, page: str) -> None:
    """Be at the other site, which shows this."""
    Elsewhere.page = f"<!doctype html><title>Elsewhere</title>{page}".encode()
    window.page.goto(address)


def test_no_other_site_can_frame_a_page(browser, registry, sessions, elsewhere):
    with browser.window(registry.url) as window:
        window.keep(sessions["bob"])
        at(window, elsewhere, f'<iframe src="{registry.url}/"></iframe>')
        window.page.wait_for_timeout(300)
        assert any("frame-ancestors" in said for said in window.said), window.said
        frames = [frame for frame in window.page.frames if frame != window.page.main_frame]
        assert all("Dockboard" not in frame.content() for frame in frames)


def test_no_other_site_can_send_a_form(browser, registry, sessions, elsewhere):
    form = f'<form method="post" action="{registry.url}/logout"><button>Win a prize</button></form>'
    with browser.window(registry.url) as window, Unchanged(registry):
        window.keep(sessions["bob"])
        at(window, elsewhere, form)
        window.click("Win a prize")
        assert window.page.url.startswith(registry.url) and "403" in window.text() + window.page.title()
        window.visit("/")
        assert window.page.locator("summary", has_text="bob").count() == 1


def test_no_other_site_can_read_a_page(browser, registry, sessions, elsewhere):
    """Not as a script, a style sheet or a picture, nor with fetch."""
    asks = f"fetch('{registry.url}/', {{credentials: 'include'}}).then(() => 'read', () => 'refused')"
    with browser.window(registry.url) as window:
        window.keep(sessions["bob"])
        at(window, elsewhere, "<p>Elsewhere</p>")
        assert window.page.evaluate(asks) == "refused"
        assert window.page.evaluate("opener => window.open(opener) && 'open'", registry.url + "/") == "open"


def test_a_form_of_the_user_before_does_nothing_for_the_next_one(browser, registry):
    """Two tabs: in one bob left a page open, in the other eve signed in after him."""
    with browser.window(registry.url) as window:
        with Visitor(registry.address) as bob:
            window.keep(bob.sign_in("bob").cookies)
        window.visit("/")
        window.page.locator("summary", has_text="bob").click()
        with Visitor(registry.address) as eve:
            window.keep(eve.sign_in("eve").cookies)
        window.click("Sign out")
        assert window.page.locator("summary", has_text="eve").count() == 1
        window.visit("/")
        assert window.page.locator("summary", has_text="eve").count() == 1
