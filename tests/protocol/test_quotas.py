"""Quotas at the HTTP edge: when a push is refused, and in which words.

What counts is tested in tests/contract/domain/test_quotas.py.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol.wire import Connection
from tests.support.http import OCTETS, digest_of, with_query
from tests.support.people import People, basic

pytestmark = pytest.mark.database

PUSHERS, PIECE = 8, 100_000


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    with deploy(tmp_path_factory.mktemp("quotas") / "data", auth_anonymous="none") as registry:
        People(registry).add("ann", "bob", "cid", "dan")
        yield registry


@pytest.fixture(scope="module")
def people(registry):
    return People(registry)


def push(client, repository: str, data: bytes) -> int:
    """The status that a push of one blob ends with, on the way that clients go."""
    answer = client.request("POST", f"/v2/{repository}/blobs/uploads/")
    if answer.status == 202:
        answer = client.request("PATCH", answer.location, {"Content-Type": OCTETS}, data)
    if answer.status == 202:
        answer = client.request("PUT", with_query(answer.location, digest=digest_of(data)))
    assert answer.status in (201, 403) and (answer.status == 201 or answer.code() == "DENIED"), answer.body
    return answer.status


@pytest.mark.direct
def test_a_refusal_says_quota_used_and_wanted_before_the_bytes_are_sent(registry, people):
    people.command("user", "quota", "bob", "--bytes", "1MiB")
    with people.as_user("bob") as bob:
        assert push(bob, "bob/app", b"x" * 1_000_000) == 201
        location = bob.start_upload("bob/app")
    with Connection(registry.address) as connection:
        headers = [
            *basic("bob").items(),
            ("Content-Length", "100000"),
            ("Expect", "100-continue"),
            ("Content-Type", OCTETS),
        ]
        connection.send(connection.head("PATCH", location, headers))
        answer = connection.reply("PATCH")
    assert answer.status == 403 and answer.code() == "DENIED"
    error = answer.json()["errors"][0]
    assert error["message"].startswith(
        "requested access to the resource is denied: the quota of namespace bob is 1.0 MiB: 976.6 KiB are used, and"
        " this push wants 97.7 KiB more; delete what"
    )
    assert {key: error["detail"][key] for key in ("quota", "used", "wanted")} == {
        "quota": 1 << 20,
        "used": 1_000_000,
        "wanted": 100_000,
    }
    with people.as_user("bob") as bob:
        # It was cancelled: nothing could end it well.
        bob.get(location).expect(404)
        assert push(bob, "bob/other", b"z" * 40_000) == 201
        # Pulling and deleting go on, and deleting makes room.
        bob.get(f"/v2/bob/app/blobs/{digest_of(b'x' * 1_000_000)}").expect(200)
        bob.request("DELETE", f"/v2/bob/app/blobs/{digest_of(b'x' * 1_000_000)}").expect(202)
        assert push(bob, "bob/app", b"y" * 1_000_000) == 201


def test_every_way_to_bring_bytes_in_is_refused(people):
    people.command("user", "quota", "cid", "--bytes", "1000", "--repositories", "1")
    data = b"cid's" * 300
    with people.as_user("ann") as ann, people.as_user("cid") as cid:
        ann.push_image("ann/app", "v1", [data])
        people.command("repository", "set", "ann/app", "--public")
        monolithic = f"/v2/cid/app/blobs/uploads/?digest={digest_of(data)}"
        assert cid.request("POST", monolithic, {"Content-Type": OCTETS}, data).expect(403).code() == "DENIED"
        chunked = cid.request("PATCH", cid.start_upload("cid/app"), {"Content-Type": OCTETS}, [data])
        if chunked.status == 202:  # nobody knew its length; a proxy that gathers bodies tells it
            chunked = cid.request("PUT", with_query(chunked.location, digest=digest_of(data)))
        assert chunked.expect(403).code() == "DENIED"
        mount = f"/v2/cid/app/blobs/uploads/?mount={digest_of(data)}&from=ann/app"
        assert cid.request("POST", mount).expect(403).code() == "DENIED"
        manifest = json.dumps({"schemaVersion": 2, "manifests": [], "annotations": {"large": "x" * 1000}}).encode()
        index = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
        assert cid.request("PUT", "/v2/cid/app/manifests/v1", index, manifest).expect(403).code() == "DENIED"
        cid.get("/v2/cid/app/tags/list").expect(404)
        assert push(cid, "cid/app", b"little") == 201
        assert (
            "1 repositories: 1 are used"
            in cid.request("POST", "/v2/cid/more/blobs/uploads/").expect(403).json()["errors"][0]["message"]
        )


def test_parallel_pushers_fill_the_quota_and_no_more(people):
    people.command("user", "quota", "dan", "--bytes", str(3 * PIECE))

    def one(number: int) -> int:
        with people.as_user("dan") as dan:
            return push(dan, f"dan/app{number}", b"%d" % number * PIECE)

    with ThreadPoolExecutor(PUSHERS) as threads:
        assert sorted(threads.map(one, range(PUSHERS))) == [201] * 3 + [403] * (PUSHERS - 3)
    shown = json.loads(people.command("user", "quota", "dan", "--json"))
    assert shown == [
        {"namespace": "dan", "most_repositories": None, "repositories": 3, "most_bytes": 3 * PIECE, "bytes": 3 * PIECE}
    ]


def test_the_api_sets_and_shows_quotas(registry, people):
    people.command("user", "promote", "ann")
    people.command("org", "add", "acme", "--owner", "cid")
    place = "/api/v1/namespaces/acme/quota"
    json_type = {"Content-Type": "application/json"}
    with people.as_user("ann") as ann, people.as_user("cid") as cid:
        cid.push_image("acme/app", "v1", [b"layer"])
        shown = ann.request("PATCH", place, json_type, b'{"repositories": 1, "bytes": 5000000}').expect(200).json()
        assert shown == cid.get(place).expect(200).json()
        assert (shown["most_repositories"], shown["repositories"], shown["most_bytes"]) == (1, 1, 5_000_000) and shown[
            "bytes"
        ] > 0
        assert push(cid, "acme/other", b"one too many") == 403
        ann.request("PATCH", place, json_type, b'{"repositories": null, "bytes": -1}').expect(200)
        assert push(cid, "acme/other", b"one more") == 201
        cid.request("PATCH", place, json_type, b'{"repositories": -1}').expect(403)
        ann.request("PATCH", place, json_type, b'{"repositories": -2}').expect(400)
        ann.request("PATCH", place, json_type, b"{}").expect(400)
        ann.get("/api/v1/namespaces/library/quota").expect(404)
        actions = [entry["action"] for entry in ann.get("/api/v1/audit?object=org%20acme").expect(200).json()["items"]]
    assert actions.count("org.quota") == 2
