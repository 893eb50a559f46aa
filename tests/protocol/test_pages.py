"""What all pages have in common: header fields, languages, themes, errors, forms, and where they are."""

import re

import pytest

from tests.support.http import Client
from tests.support.server import Registry

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("pages") / "data", 1) as registry:
        yield registry


@pytest.fixture
def client(registry):
    with Client(registry.address) as client:
        yield client


def token(page) -> str:
    return re.search(rb'name="_csrf" value="([^"]+)"', page.body)[1].decode()


def cookie(answer) -> str:
    return answer.headers["Set-Cookie"].partition(";")[0]


def form(**fields: str) -> bytes:
    from urllib.parse import urlencode

    return urlencode(fields).encode()


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_pages_are_strict(client):
    page = client.request("GET", "/", headers=HTML)
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff" and page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "private, no-cache"
    assert "Strict-Transport-Security" not in page.headers


def test_pages_are_compressed(client):
    plain = client.request("GET", "/", headers=HTML)
    packed = client.request("GET", "/", headers={**HTML, "Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and len(packed.body) < len(plain.body)


def test_every_file_that_a_page_names_is_there(client):
    page = client.request("GET", "/", headers=HTML)
    named = set(re.findall(rb'(?:href|src)="(/static/[^"]+)"', page.body))
    assert len(named) == 3
    for path in named:
        file = client.request("GET", path.decode())
        assert file.status == 200 and "immutable" in file.headers["Cache-Control"]
    assert client.request("GET", "/favicon.ico").headers["Location"].encode() in named


def test_the_browsers_language_and_the_chosen_one(client):
    assert b'lang="zh-Hans"' in client.request("GET", "/", headers={**HTML, "Accept-Language": "zh-CN"}).body
    page = client.request("GET", "/", headers=HTML)
    chosen = client.request(
        "POST",
        "/preferences",
        headers={**FORM, "Cookie": cookie(page), "Sec-Fetch-Site": "same-origin"},
        body=form(_csrf=token(page), do="choose", lang="zh", next="/help"),
    )
    assert (chosen.status, chosen.headers["Location"]) == (303, "/help")
    assert "lang=zh" in chosen.headers["Set-Cookie"]
    assert b'lang="zh-Hans"' in client.request("GET", "/", headers={**HTML, "Cookie": "lang=zh; theme=dark"}).body
    assert b'data-theme="dark"' in client.request("GET", "/", headers={**HTML, "Cookie": "lang=zh; theme=dark"}).body


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"token": ""}, 403),
        ({"token": "A" * 44}, 403),
        ({"cookie": "dockboard-visitor=another"}, 403),
        ({"site": "cross-site"}, 403),
        ({"site": "same-site"}, 403),
        ({"next": "//evil.example"}, 303),
        ({"more": "1"}, 400),
    ],
)
def test_forged_forms_change_nothing(client, change, status):
    page = client.request("GET", "/", headers=HTML)
    fields = {
        "_csrf": change.get("token", token(page)),
        "do": "choose",
        "theme": "dark",
        "next": change.get("next", "/"),
    }
    fields |= {"more": "1"} if "more" in change else {}
    headers = {**FORM, **HTML, "Cookie": change.get("cookie", cookie(page))}
    headers["Sec-Fetch-Site"] = change.get("site", "none")
    sent = client.request("POST", "/preferences", headers=headers, body=form(**fields))
    assert sent.status == status
    assert ("theme=dark" in sent.headers.get("Set-Cookie", "")) == (status == 303)
    assert sent.headers.get("Location", "/") == "/"


def test_a_form_that_is_no_form_is_refused(client):
    page = client.request("GET", "/", headers=HTML)
    headers = {**HTML, "Cookie": cookie(page), "Content-Type": "application/json"}
    assert client.request("POST", "/preferences", headers=headers, body=b"{}").status == 415
    headers |= FORM
    assert client.request("POST", "/preferences", headers=headers, body=b"a" * 70_000).status == 413
    assert client.request("POST", "/preferences", headers=headers, body=b"&".join([b"a=1"] * 1300)).status == 400


def test_browsers_get_a_page_and_programs_get_json(client):
    page = client.request("GET", "/no/Such", headers=HTML)
    assert page.status == 404 and b"<h1>There is nothing here" in page.body
    missing = client.request("GET", "/no/Such")
    assert missing.status == 404 and missing.json()["errors"][0]["code"] == "UNSUPPORTED"
    refused = client.request("DELETE", "/", headers=HTML)
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("text", ["acme/app:v1", "app", "acme/app@sha256:" + "0" * 64])
def test_a_pasted_reference_leads_to_its_page(client, text):
    found = client.request("GET", f"/{text}", headers=HTML)
    assert (found.status, found.headers["Location"]) == (302, f"/r/{text}")


def test_what_is_shown_of_a_path_is_escaped(client):
    page = client.request("GET", "/%3Cscript%3E/<b>", headers=HTML)
    assert page.status == 404 and b"<script>" not in page.body.replace(b"<script src", b"") and b"<b>" not in page.body


@pytest.mark.parametrize("text", ["[" * 3000, "[" * 900, "%5B%22x%22%5D", "[1,2,[]]", "%ff"])
def test_a_message_that_no_page_left_is_not_shown(client, text):
    page = client.request("GET", "/no/Such", headers={**HTML, "Cookie": f"dockboard-flash={text}"})
    assert page.status == 404 and b"<h1>" in page.body and b'class="flash' not in page.body
    assert "dockboard-flash=;" in page.headers["Set-Cookie"]


def test_what_programs_get_is_not_kept_for_browsers(client):
    missing = client.request("GET", "/no/Such")
    assert (missing.headers["Cache-Control"], missing.headers["Vary"]) == ("no-store", "Accept")
    assert "Accept," in client.request("GET", "/", headers=HTML).headers["Vary"]


def test_links_begin_with_the_path_of_external_url(tmp_path):
    with (
        Registry(tmp_path / "data", 1, server_external_url="https://example.com/hub/") as registry,
        Client(registry.address) as client,
    ):
        page = client.request("GET", "/", headers=HTML)
        assert b'href="/hub/static/' in page.body and b'action="/hub/preferences"' in page.body
        assert b"example.com/" in page.body


def test_pages_can_be_turned_off(tmp_path):
    with Registry(tmp_path / "data", 1, server_apis="v2,api") as registry, Client(registry.address) as client:
        assert client.request("GET", "/", headers=HTML).status == 404
        assert client.request("GET", "/v2/").status == 200
