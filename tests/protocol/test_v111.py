"""What only the v1.1.1 conformance suite asks for, and what neither suite does."""

from __future__ import annotations

import os

import pytest

from tests.protocol.refusal import SPEC_CODES, refused
from tests.support.http import OCI_INDEX, OCI_MANIFEST, OCTETS, Client, digest_of, with_query

EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
TAGS = ["TEST0", "TEST1", "TEST2", "TEST3", "test0", "test1", "test2", "test3"]
BAD_NAME = ".INVALID_MANIFEST_NAME"
REFUSED = {"referrers tag of a bad digest": ((400,), ("DIGEST_INVALID",))}


@pytest.fixture(scope="module")
def repository(registry) -> str:
    with Client(registry.address) as client:
        for tag in reversed(TAGS):
            client.push_manifest("v111/app", tag, EMPTY_INDEX)
    return "v111/app"


def test_exactly_n_tags(client, repository):
    for number in range(1, len(TAGS) + 1):
        assert len(client.get(f"/v2/{repository}/tags/list?n={number}").expect(200).json()["tags"]) == number


def test_tags_differing_in_case_are_sorted_and_distinct(client, repository):
    found = client.get(f"/v2/{repository}/tags/list").expect(200).json()["tags"]
    assert found in (sorted(TAGS), sorted(TAGS, key=lambda tag: (tag.lower(), tag)))


@pytest.mark.parametrize(("method", "status"), [("GET", 404), ("PUT", 400)])
def test_an_invalid_manifest_name_has_an_error_of_the_spec(client, repository, method, status):
    answer = client.request(
        method,
        f"/v2/{repository}/manifests/{BAD_NAME}",
        {"Content-Type": OCI_INDEX},
        EMPTY_INDEX if method == "PUT" else None,
    )
    answer.expect(status)
    assert answer.code() in SPEC_CODES


@pytest.mark.parametrize(
    "reference", [BAD_NAME, "sha256:totallywrong", "md5:" + "0" * 32, "x" * 129, "sha256:" + "A" * 64]
)
def test_a_manifest_of_a_reference_that_can_not_be_is_not_there(client, repository, reference):
    """The suite's "nonexistent manifest" is `.INVALID_MANIFEST_NAME`."""
    for name in (repository, "no/such/repository"):
        assert client.get(f"/v2/{name}/manifests/{reference}").expect(404).code() == "MANIFEST_UNKNOWN"
        assert client.head(f"/v2/{name}/manifests/{reference}").expect(404).body == b""


def test_ranges_of_patch_and_status(client):
    location = client.start_upload("v111/range")
    for end in (99, 199):
        headers = {"Content-Type": OCTETS, "Content-Range": f"{end - 99}-{end}"}
        answer = client.request("PATCH", location, headers, b"x" * 100).expect(202)
        location = answer.location
        assert answer.headers["Range"] == client.get(location).expect(204).headers["Range"] == f"0-{end}"


def test_fewer_tags_after_a_manifest_delete(client):
    digests = [
        client.push_manifest("v111/fewer", f"t{n}", EMPTY_INDEX[:-1] + b',"annotations":{"n":"%d"}}' % n)
        for n in range(4)
    ]
    client.delete(f"/v2/v111/fewer/manifests/{digests[1]}").expect(202)
    assert client.get("/v2/v111/fewer/tags/list").json()["tags"] == ["t0", "t2", "t3"]


def test_the_location_of_a_mount(client):
    digest = client.push_blob("v111/source", os.urandom(30))
    mounted = client.request("POST", f"/v2/v111/target/blobs/uploads/?mount={digest}&from=v111/source").expect(201)
    assert mounted.headers["Location"] == f"/v2/v111/target/blobs/{digest}"


def test_mounting_an_unknown_digest_without_from(client):
    unknown = digest_of(os.urandom(30))
    assert client.request("POST", f"/v2/v111/target/blobs/uploads/?mount={unknown}").expect(202).location


def test_tag_delete_is_supported(client, repository):
    client.push_manifest(repository, "gone", EMPTY_INDEX)
    client.delete(f"/v2/{repository}/manifests/gone").expect(202)
    client.get(f"/v2/{repository}/manifests/gone").expect(404)


def test_exactly_the_referrers_that_were_pushed(client):
    subject = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"v111 subject"), "size": 12}
    for number in range(3):
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [],
            "subject": subject,
            "annotations": {"n": str(number)},
        }
        client.push_manifest("v111/referrers", f"r{number}", document)
    assert len(client.get(f"/v2/v111/referrers/referrers/{subject['digest']}").expect(200).json()["manifests"]) == 3


@pytest.mark.parametrize(
    "path",
    ["/v2/", "/v2/v111/app/tags/list", "/v2/v111/app/manifests/test0", "/v2/_catalog", "/v2/v111/app/manifests/none"],
)
def test_warnings_if_any_have_the_form_of_the_spec(client, repository, path):
    """distribution-spec, "Warnings": `299 - "text"` without a date, 4096 bytes in all."""
    found = client.get(path).headers.get_all("Warning", [])
    assert all(warning.startswith('299 - "') and warning.endswith('"') for warning in found)
    assert sum(map(len, found)) <= 4096


@pytest.mark.parametrize("path", ["/v2/v111/app/manifests/test0", "/v2/v111/app/tags/list"])
def test_the_namespace_parameter_does_not_disturb(client, repository, path):
    plain, named = client.get(path).expect(200), client.get(path + "?ns=docker.io").expect(200)
    assert named.body == plain.body
    assert named.headers["OCI-Namespace"] in (None, "docker.io")


def test_the_version_check(client):
    for method in ("GET", "HEAD"):
        answer = client.request(method, "/v2/").expect(200)
        assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    assert client.get("/v2").expect(200, 301, 308, 404)


def test_manifest_get_and_head_tell_digest_and_length(client, repository):
    for reference in ("test0", digest_of(EMPTY_INDEX)):
        for method in ("GET", "HEAD"):
            answer = client.request(method, f"/v2/{repository}/manifests/{reference}").expect(200)
            assert answer.headers["Docker-Content-Digest"] == digest_of(EMPTY_INDEX)
            assert answer.headers["Content-Length"] == str(len(EMPTY_INDEX))


def test_the_last_put_out_of_order_is_416(client):
    location = client.start_upload("v111/put")
    headers = {"Content-Type": OCTETS, "Content-Range": "5-9"}
    client.request("PUT", with_query(location, digest=digest_of(b"x" * 5)), headers, b"x" * 5).expect(416)


def test_the_referrers_tag_schema_still_works(client):
    """Clients that fall back push an index under `sha256-<64 hex>`, and for sha512 cut to
    64 digits: an ordinary tag.
    """
    for algorithm in ("sha256", "sha512"):
        tag = digest_of(b"subject", algorithm).replace(":", "-")[: len(algorithm) + 65]
        digest = client.push_manifest("v111/schema", tag, EMPTY_INDEX)
        assert client.pull_manifest("v111/schema", tag).headers["Docker-Content-Digest"] == digest


def test_referrers_of_what_is_no_digest(client, repository):
    refused(client.get(f"/v2/{repository}/referrers/sha256-{'0' * 64}"), REFUSED["referrers tag of a bad digest"])
