"""Lists: tags and the catalog, in byte order, in pages, and unimpressed by any `n` (security S2)."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.protocol.refusal import refused
from tests.support.http import OCI_INDEX, Client, digest_of

pytestmark = pytest.mark.database

TAGS = sorted(
    [
        "1",
        "1.0",
        "10",
        "2",
        "A",
        "B",
        "TEST0",
        "Z",
        "_",
        "a",
        "a-b",
        "a.b",
        "a_b",
        "aa",
        "b",
        "test0",
        "v1",
        "v10",
        "v2",
        "z",
    ]
)
REPOSITORIES = sorted(["a", "a-b", "a.b", "a/b", "a0", "a_b", "b/c", "b/c/d", "b0", "c", "zz"])
EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
MANY = 1_050
LARGEST_PAGE = 1_000
REFUSED = {
    "bad number": ((400,), ("UNSUPPORTED", "SIZE_INVALID", "NAME_INVALID", "MANIFEST_INVALID")),
    "unknown repository": ((404,), ("NAME_UNKNOWN",)),
}
# What may stand in `n`, and which answers are right: a number too large is a page, or a refusal.
NUMBERS = {
    "0": {200, 400},
    "-1": {400, 200},
    "1000000000": {200, 400},
    str(2**63): {200, 400},
    "9" * 5000: {200, 400},
    "x": {400},
    "%EF%BC%91": {400},
    "1.0": {400},
    "1e3": {400},
    "%201": {400, 200},
    "0x10": {400},
    "": {400, 200},
}


@pytest.fixture(scope="module")
def filled(registry):
    """Repositories with one tag each, and `tags` with TAGS."""
    with Client(registry.address) as client:
        for repository in REPOSITORIES:
            client.push_manifest(repository, "latest", EMPTY_INDEX)
        for tag in reversed(TAGS):
            client.push_manifest("tags", tag, EMPTY_INDEX)
        digest = digest_of(EMPTY_INDEX)
        for start in range(0, MANY, 50):
            query = "&".join(f"tag=t{number:04}" for number in range(start, start + 50))
            client.request(
                "PUT", f"/v2/many/manifests/{digest}?{query}", {"Content-Type": OCI_INDEX}, EMPTY_INDEX
            ).expect(201)
    return sorted([*REPOSITORIES, "tags", "many"])


def next_page(response) -> str | None:
    """The target of the Link with rel=next, as RFC 8288 spells it."""
    link = response.headers["Link"]
    if link is None:
        return None
    target = re.fullmatch(r'<([^>]+)>; *rel="?next"?', link)
    assert target, f"Link is not in the form of RFC 8288: {link}"
    return target[1]


def pages(client: Client, path: str, field: str) -> list[list[str]]:
    found = []
    while path:
        answer = client.get(path).expect(200)
        found.append(answer.json()[field])
        path = next_page(answer)
    return found


def test_all_tags_in_byte_order(client, filled):
    answer = client.get("/v2/tags/tags/list").expect(200)
    assert answer.headers.get_content_type() == "application/json"
    assert answer.json() == {"name": "tags", "tags": TAGS}


@pytest.mark.parametrize("size", [1, 3, 7, 19, 20, 21])
def test_tags_in_pages(client, filled, size):
    found = pages(client, f"/v2/tags/tags/list?n={size}", "tags")
    assert sum(found, []) == TAGS
    assert all(len(page) == size for page in found[:-1])
    assert found[-1], "no page is empty: a Link is sent only when there is more"


@pytest.mark.parametrize("last", [*TAGS, "0", "a-", "aaa", "zz", "x" * 128])
def test_tags_after_last(client, filled, last):
    after = [tag for tag in TAGS if tag > last]
    assert client.get(f"/v2/tags/tags/list?last={last}").expect(200).json()["tags"] == after
    assert client.get(f"/v2/tags/tags/list?n=2&last={last}").expect(200).json()["tags"] == after[:2]
    assert client.get(f"/v2/tags/tags/list?last={last}&n=2").expect(200).json()["tags"] == after[:2]


@pytest.mark.parametrize("last", ["%2e%2e%2f", "%00", "%27%20OR%201=1--", "%25", "%ff", "x" * 3000, "%F0%9F%90%8B"])
def test_a_last_that_is_no_tag_reads_nothing_else(client, filled, last):
    answer = client.get(f"/v2/tags/tags/list?last={last}").expect(200, 400)
    if answer.status == 200:
        assert set(answer.json()["tags"]) <= set(TAGS)
    else:
        refused(answer, REFUSED["bad number"])


def test_no_tags_for_zero(client, filled):
    answer = client.get("/v2/tags/tags/list?n=0").expect(200)
    assert answer.json()["tags"] == []
    assert answer.headers["Link"] is None


@pytest.mark.parametrize(
    "path", ["/v2/tags/tags/list", "/v2/many/tags/list", "/v2/_catalog", "/v2/tags/referrers/" + digest_of(EMPTY_INDEX)]
)
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:20] or "empty")
def test_any_number_is_a_page_or_a_refusal(client, filled, path, number):
    answer = client.get(f"{path}?n={number}")
    if "referrers" in path:
        answer.expect(200, 400)
        return
    answer.expect(*NUMBERS[number])
    if answer.status == 400:
        refused(answer, REFUSED["bad number"])
        return
    rows = answer.json()["repositories" if "_catalog" in path else "tags"]
    assert len(rows) <= LARGEST_PAGE


def test_a_repeated_number(client, filled):
    answer = client.get("/v2/tags/tags/list?n=1&n=2").expect(200, 400)
    assert answer.status == 400 or len(answer.json()["tags"]) in (1, 2)


def test_more_tags_than_a_page_holds(client, filled):
    for query in ("", "?n=1000", "?n=1049", "?n=1000000000"):
        found = sum(pages(client, "/v2/many/tags/list" + query, "tags"), [])
        assert found == [f"t{number:04}" for number in range(MANY)]


def test_a_page_that_ends_the_list_has_no_link(client, filled):
    assert next_page(client.get(f"/v2/tags/tags/list?n={len(TAGS)}")) is None
    assert next_page(client.get(f"/v2/tags/tags/list?n={len(TAGS) - 1}"))


def test_tags_of_an_unknown_repository(client):
    refused(client.get("/v2/no/such/tags/list"), REFUSED["unknown repository"])


def test_tags_of_a_repository_without_tags(client):
    client.push_image("untagged/app", "latest")
    client.delete("/v2/untagged/app/manifests/latest").expect(202)
    answer = client.get("/v2/untagged/app/tags/list").expect(200)
    assert answer.json() == {"name": "untagged/app", "tags": []}


def test_head_of_a_list(client, filled):
    answer = client.head("/v2/tags/tags/list").expect(200, 405)
    assert answer.body == b""


@pytest.mark.parametrize("size", [1, 4, 100])
def test_the_catalog_in_pages(client, filled, size):
    found = sum(pages(client, f"/v2/_catalog?n={size}", "repositories"), [])
    assert found == sorted(found)
    assert set(filled) <= set(found)


@pytest.mark.parametrize("last", ["a", "a-b", "a/b", "b/c", "b/cc", "zz"])
def test_the_catalog_after_last(client, filled, last):
    found = client.get(f"/v2/_catalog?last={quote(last, safe='')}").expect(200).json()["repositories"]
    assert set(found) >= {name for name in filled if name > last}
    assert all(name > last for name in found)


def test_the_whole_catalog_by_default(client, filled):
    answer = client.get("/v2/_catalog").expect(200)
    assert list(answer.json()) == ["repositories"]
    assert set(filled) <= set(answer.json()["repositories"])


def test_links_stay_on_this_server(client, filled):
    """A relative target works behind every proxy; an absolute one names the host that was asked."""
    for path in ("/v2/tags/tags/list?n=1", "/v2/_catalog?n=1"):
        assert next_page(client.get(path, {"Host": "evil.example", "X-Forwarded-Host": "evil.example"})).startswith(
            "/v2/"
        )
