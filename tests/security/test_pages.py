"""Attacks on the pages: forged forms, foreign frames, redirects to elsewhere, header fields, caches in between."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

import pytest

from dockboard_registry.web.ui import routes
from tests.security.harmless import harm, harm_of
from tests.security.loaded import AGENT, SENT, SHOWN, furnish
from tests.security.payloads import ELSEWHERE, PAYLOADS
from tests.security.state import Unchanged
from tests.support.http import Client, raw
from tests.support.nginx import Nginx
from tests.support.server import Registry
from tests.support.visitor import PAGE, Visitor, read

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


# Pages that show what the query says.
READ_MUCH = ("/", "/search", "/@acme", "/r/acme/app", "/r/acme/app/-/tags", "/r/acme/app/-/compare")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    settings = {"auth_anonymous": "pull", "server_trusted_proxies": ["127.0.0.1"]}
    with Registry(tmp_path_factory.mktemp("pages") / "data", 1, **settings) as registry:
        furnish(registry)
        yield registry


@pytest.fixture
def visitor(registry):
    with Visitor(registry.address) as visitor:
        yield visitor


def network(number: int) -> dict[str, str]:
    """Where a visitor comes from. Searches have a rate for each network."""
    return {"X-Forwarded-For": f"198.18.{number // 250}.{number % 250 + 1}"}


def signed_in(registry, name: str) -> Visitor:
    """A visitor with a session, where the pages have one."""
    visitor = Visitor(registry.address, headers=AGENT)
    return visitor.sign_in(name) if any(page.path == "/login" for page in routes.pages()) else visitor


def token(visitor: Visitor) -> str:
    """A token for forms, as the footer of each page has it."""
    return dict(visitor.open("/").form(action="/preferences").fields)["_csrf"]


@pytest.mark.parametrize("path", [*SHOWN, "/Nothing", "/r/acme/nothing", "/@nobody", "/r/acme/app:none"])
def test_every_page_and_every_error_has_the_header_fields(registry, visitor, path):
    with signed_in(registry, "ann") as ann:
        for page in (visitor.open(path, follow=False), ann.open(path, follow=False)):
            headers = page.response.headers
            if not headers.get("Content-Type", "").startswith("text/html"):
                continue
            assert headers["Content-Security-Policy"] == POLICY
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert {"private, no-cache", "no-store"} >= {headers["Cache-Control"]}
            assert harm(page.html) == []


@pytest.mark.parametrize("path", SENT)
def test_a_form_without_the_right_token_does_nothing(registry, path):
    """Missing, of another visitor, of the time before one signed in, garbage, and twice."""
    with Visitor(registry.address) as other, signed_in(registry, "eve") as eve, signed_in(registry, "ann") as ann:
        tokens = [None, "", "x", "A" * 44, token(other), token(eve), token(ann)[:-4] + "AAAA"]
        with Unchanged(registry):
            for shown in tokens:
                fields = {} if shown is None else {"_csrf": shown}
                answer = ann.send("POST", path, fields, {"Sec-Fetch-Site": "same-origin"})
                # The form may come again. Who is signed in is sent away from the forms of who is not.
                assert answer.status in (403, 404, 422) or answer.location == "/", f"{shown!r}: {answer.status}"


@pytest.mark.parametrize("path", SENT)
def test_another_site_can_send_no_form(registry, path):
    with signed_in(registry, "ann") as ann:
        right = token(ann)
        elsewhere = (
            {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
            {"Origin": "null"}, {"Origin": f"http://{registry.address}.evil.example"},
            {"Sec-Fetch-Site": "cross-site", "Origin": registry.url},
        )  # fmt: skip
        with Unchanged(registry):
            for headers in elsewhere:
                answer = ann.send("POST", path, {"_csrf": right}, headers)
                assert answer.status in (403, 404), f"{headers}: {answer.status}"


def test_a_form_of_another_kind_is_refused(registry, visitor):
    """Only the encoding that another site can't choose without asking counts; nor is a body of JSON a form."""
    right = token(visitor)
    for media_type in ("text/plain", "multipart/form-data; boundary=x", "application/json", ""):
        body = f"_csrf={right}&theme=dark".encode()
        answer = visitor.send("POST", "/preferences", headers={"Content-Type": media_type})
        assert answer.status in (400, 403, 415), media_type
        shown = {
            **PAGE,
            "Content-Type": media_type,
            "Cookie": "; ".join(f"{k}={v}" for k, v in visitor.cookies.items()),
        }
        assert visitor.request("POST", "/preferences", shown, body).status in (400, 403, 415), media_type


def ends_here(location: str) -> bool:
    """Whether a browser that is at this registry stays there: whatever it drops or turns around, the path is a path."""
    cleaned = re.sub(r"[\t\r\n]", "", unquote(location)).strip(" \x00").replace("\\", "/")
    parsed = urlsplit(cleaned)
    return location.startswith("/") and not cleaned.startswith("//") and not parsed.netloc and not parsed.scheme


@pytest.mark.parametrize("place", ELSEWHERE)
def test_no_form_leads_elsewhere(visitor, place):
    page = visitor.open("/")
    answer = visitor.submit(page, action="/preferences", follow=False, next=place, theme="dark")
    assert answer.status == 303 and ends_here(answer.location), answer.location
    assert "X-Injected" not in answer.response.headers


@pytest.mark.parametrize("place", ELSEWHERE)
def test_no_link_of_a_page_leads_elsewhere(visitor, place):
    """What the query says is no place to go to, and changes nothing of the page."""
    for path in SHOWN:
        query = f"next={quote(place)}&q={quote(place)}&after={quote(place)}"
        answer = visitor.open(f"{path}?{query}", network(500 + ELSEWHERE.index(place)), follow=False)
        if answer.location:
            assert ends_here(answer.location), (path, answer.location)
        assert "X-Injected" not in answer.response.headers
        assert harm_of(answer.response) == [], path


def test_what_is_asked_for_is_text(visitor):
    """Payloads in the query and in the path. Pages that show little of their query get a quarter of them each."""
    for number, payload in enumerate(PAYLOADS):
        sent = quote(payload, safe="")
        for path in (*READ_MUCH, *SHOWN[number % 4 :: 4], f"/{sent}", f"/r/{sent}", f"/@{sent}", f"/r/acme/app:{sent}"):
            query = (
                f"?q={sent}&filter={sent}&sort={sent}&after={sent}&from={sent}&to={sent}&platform={sent}&kind={sent}"
            )
            answer = visitor.open(path + (query if path in SHOWN else ""), network(number), follow=False)
            assert answer.status < 500 and answer.status != 429, (path, payload)
            assert harm_of(answer.response) == [], (path, payload)


def test_what_cookies_say_is_text(registry):
    with Client(registry.address) as client:
        for payload in PAYLOADS:
            sent = quote(payload, safe="")
            for name in ("theme", "lang", "tz", "client", "dockboard", "dockboard-visitor", "dockboard-flash"):
                page = read(client.get("/", {**PAGE, "Cookie": f"{name}={sent}"}).expect(200))
                assert harm(page.html) == [], (name, payload)


@pytest.mark.parametrize("host", ['"><script>alert(1)</script>', "evil.example", 'a.example" onclick="x', ""])
def test_the_name_that_a_request_uses_is_text(registry, host):
    for path in SHOWN:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        head, _, body = raw(registry.address, request.encode()).decode(errors="replace").partition("\r\n\r\n")
        assert not head.startswith("HTTP/1.1 500")
        assert "Content-Disposition: attachment" in head or harm(body) == [], path
        location = re.search("^Location: (.*)$", head, re.M)
        assert location is None or ends_here(location[1].strip()), (path, location)


def test_a_cache_in_between_keeps_no_page(registry, tmp_path):
    """One nginx caches for two people: each gets their own page, and cookies of their own. Files are kept."""
    with Nginx(tmp_path / "nginx", registry.address, cache=True) as proxy:
        for path in SHOWN:
            with Visitor(proxy.address) as first, Visitor(proxy.address) as second:
                ours, theirs = first.open(path, follow=False), second.open(path, follow=False)
                if not ours.response.headers.get("Content-Type", "").startswith("text/html"):
                    continue
                # The token of each page is masked anew, so that equal pages would be one page.
                assert ours.response.body != theirs.response.body or not ours.forms, path
                assert not set(first.cookies.items()) & set(second.cookies.items()), path
        before = len(proxy.forwarded())
        with Visitor(proxy.address) as visitor:
            style = re.search(r'href="(/static/[^"]+css)"', visitor.open("/").html)[1]
            for _ in range(3):
                visitor.get(style).expect(200)
        assert [line for line in proxy.forwarded()[before:] if "/static/" in line] == [f"GET {style} HTTP/1.1"]
