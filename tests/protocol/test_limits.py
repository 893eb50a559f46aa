"""Limits of docs/limits.md that no other test meets: the most that is taken, and the refusal of one more."""

from __future__ import annotations

import hashlib
from urllib.parse import quote, urlencode

import pytest

from tests.protocol.refusal import refused, well_formed
from tests.support.api import Api
from tests.support.http import OCI_INDEX, OCI_MANIFEST, Client
from tests.support.people import FORM, People, basic

pytestmark = pytest.mark.edge
MALFORMED = ((400,), ("UNSUPPORTED",))


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """ann administers, and the repository `ann/app` has one manifest."""
    with deploy(tmp_path_factory.mktemp("limits") / "data", auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann")
        people.command("user", "promote", "ann")
        with people.as_user("ann") as ann:
            ann.push_manifest("ann/app", "v1", b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX)
        yield registry


@pytest.fixture
def ann(registry):
    with Api(registry.address, basic("ann")) as ann:
        yield ann


def form(registry, fields: dict[str, str]):
    with Client(registry.address) as client:
        return client.request("POST", "/token", FORM, urlencode(fields).encode())


def invalid(answer) -> str:
    """The message of a value that the domain refuses."""
    error = answer.expect(422).json()["errors"][0]
    assert error["code"] == "UNSUPPORTED"
    return error["message"]


def test_a_query_has_two_hundred_fields_at_most(registry, ann):
    path = "/v2/ann/app/tags/list?" + "&".join(f"f{number}=x" for number in range(200))
    ann.get(path).expect(200)
    assert "200" in refused(ann.get(path + "&one=more"), MALFORMED)["message"]


def test_a_form_for_tokens_has_16_kib_and_a_hundred_fields_at_most(registry):
    login = {"grant_type": "password", "username": "", "password": ""}
    form(registry, {**login, "scope": " " * 5000}).expect(200)
    refused(form(registry, {**login, "more": "x" * (16 << 10)}), ((413,), ("SIZE_INVALID",)))
    form(registry, {**login, **{f"f{number}": "x" for number in range(97)}}).expect(200)
    refused(form(registry, {**login, **{f"f{number}": "x" for number in range(98)}}), MALFORMED)


def test_a_token_is_asked_for_names_of_5000_characters_at_most(registry):
    names = [f"ann/{number:03}".ljust(250, "a") for number in range(20)]
    login = {"grant_type": "password", "username": "", "password": ""}
    form(registry, {**login, "scope": " ".join(f"repository:{name}:pull" for name in names)}).expect(200)
    longer = [*names[1:], names[0] + "a"]
    refused(form(registry, {**login, "scope": " ".join(f"repository:{name}:pull" for name in longer)}), MALFORMED)


def test_an_access_token_names_a_hundred_patterns_at_most(ann):
    patterns = [f"ann/app-{number}" for number in range(100)]
    ann.call("POST", "/account/tokens", {"name": "most", "repositories": ",".join(patterns)}).expect(201)
    wanted = {"name": "more", "repositories": ",".join([*patterns, "ann/x"])}
    assert "100" in invalid(ann.call("POST", "/account/tokens", wanted))
    refused(ann.call("POST", "/account/tokens", {"name": "long", "repositories": "a" * 4001}), MALFORMED)


def test_a_pattern_has_sixteen_wildcards_at_most(ann):
    for count, expected in ((16, 204), (17, 422)):
        pattern = quote("ann/" + "a*" * count, safe="")
        ann.call("PUT", f"/grants/{pattern}/user:ann", {"right": "read"}).expect(expected)


def test_an_invitation_counts_for_366_days_at_most(ann):
    ann.call("POST", "/invitations", {"expires": "366d"}).expect(201)
    invalid(ann.call("POST", "/invitations", {"expires": "367d"}))


def test_the_list_of_changes_is_exported_by_ten_thousand_lines(ann):
    ann.call("GET", "/audit/export?limit=10000").expect(200)
    refused(ann.call("GET", "/audit/export?limit=10001"), MALFORMED)


def test_a_description_has_4000_characters_at_most(ann):
    ann.call("PATCH", "/repositories/ann%2Fapp", {"description": "x" * 4000}).expect(200)
    refused(ann.call("PATCH", "/repositories/ann%2Fapp", {"description": "x" * 4001}), MALFORMED)


def test_an_upload_starts_without_a_body(ann):
    ann.request("POST", "/v2/ann/app/blobs/uploads/").expect(202)
    refused(ann.request("POST", "/v2/ann/app/blobs/uploads/", {}, b"x"), ((413,), ("SIZE_INVALID",)))


def test_an_answer_names_a_hundred_missing_digests_at_most(ann):
    missing = [f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}" for number in range(101)]
    entries = ",".join(f'{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":2}}' for digest in missing)
    body = f'{{"schemaVersion":2,"manifests":[{entries}]}}'.encode()
    error = well_formed(ann.request("PUT", "/v2/ann/app/manifests/v2", {"Content-Type": OCI_INDEX}, body).expect(400))
    assert error["code"] == "MANIFEST_BLOB_UNKNOWN"
    assert error["detail"]["digests"] == missing[:100] and "and 100 more" in error["message"]
