"""What the checks of all pages find: each of them on a page that is wrong on purpose."""

from __future__ import annotations

import contextlib
import http.server
import threading

import pytest

from tests.support.browser import NARROW, problems

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-ancestors 'none'"
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<link rel="icon" href="/icon.svg"><title>A page</title><link rel="stylesheet" href="/style.css">{head}</head>'
    "<body><main><h1>A page</h1>{body}</main></body></html>"
)
FILES = {
    "/icon.svg": ("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "/style.css": (
        "text/css",
        b".wide { width: 40rem } .tall { height: 20rem } .faint { color: #ccc } .cut { overflow: auto }",
    ),
    "/moves.js": (
        "text/javascript",
        b"setTimeout(() => { const box = document.createElement('p'); box.className = 'tall';"
        b" document.querySelector('h1').before(box); }, 100);",
    ),
    "/asks.js": ("text/javascript", b"alert('asked');"),
}


class Site(http.server.BaseHTTPRequestHandler):
    pages: dict[str, str] = {}

    def do_GET(self):
        media_type, body = FILES.get(self.path) or ("text/html", self.pages[self.path].encode())
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def found(browser, site: str, head: str = "", body: str = "", **more: object) -> str:
    """What the checks say of a page, in one text."""
    Site.pages["/"] = PAGE.format(head=head, body=body)
    with browser.window(site, **more) as window:
        assert window.visit("/") == 200
        with contextlib.suppress(Exception):
            window.page.wait_for_selector(".tall", state="attached", timeout=500)
        return "\n".join(problems(window))


def test_a_good_page_has_no_problems(browser, site):
    assert found(browser, site, body='<p>Some words.</p><div class="cut"><p class="wide">Scrolls</p></div>') == ""


def test_what_the_policy_forbids_is_found(browser, site):
    assert "Content Security Policy" in found(browser, site, body='<p style="color: red">Red</p>')
    assert "Content Security Policy" in found(browser, site, body="<script>document.title = 1</script>")


def test_a_host_that_is_asked_is_found(browser, site):
    assert "console: " in found(browser, site, body='<img alt="A picture" src="http://127.0.0.1:9/picture.png">')


def test_a_dialog_is_found(browser, site):
    assert "dialog: asked" in found(browser, site, head='<script src="/asks.js"></script>')


def test_what_is_wider_than_the_window_is_found(browser, site):
    body = '<p class="wide">Wide</p>'
    assert found(browser, site, body=body) == ""
    assert "wider than the window" in found(browser, site, body=body, size=NARROW)
    # The same where the page may run no script.
    assert "wider than the window" in found(browser, site, body=body, size=NARROW, scripts=False)


def test_a_page_that_moves_is_found(browser, site):
    assert "the page moved by" in found(browser, site, head='<script src="/moves.js" defer></script>')


def test_what_shuts_people_out_is_found(browser, site):
    assert "axe: color-contrast" in found(browser, site, body='<p class="faint">Faint words</p>')
    assert "axe: label" in found(browser, site, body="<form><input name=a></form>")
    assert "axe: heading-order" in found(browser, site, body="<h4>Deep</h4>")
