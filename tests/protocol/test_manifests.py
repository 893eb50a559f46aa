"""Manifests: every type, kept byte for byte, found by tag and digest, and refused for good reasons only."""

from __future__ import annotations

import json
import os

import pytest

from tests.protocol.refusal import refused
from tests.protocol.wire import Connection, chunk, request
from tests.support.http import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Client,
    descriptor,
    digest_of,
    image_config,
    image_manifest,
)

pytestmark = pytest.mark.database

MIB = 1 << 20
ABSENT = "sha256:" + "0" * 64
MISSING_CHILD = ((400, 404), ("MANIFEST_BLOB_UNKNOWN",))
REFUSED = {
    "too large": ((413,), ("SIZE_INVALID", "MANIFEST_INVALID", "UNSUPPORTED", "DENIED")),
    "other bytes than the digest": ((400,), ("DIGEST_INVALID",)),
    "no digest at all": ((400,), ("DIGEST_INVALID", "MANIFEST_INVALID", "NAME_INVALID")),
    "no tag at all": (
        (400, 404),
        ("MANIFEST_INVALID", "NAME_INVALID", "MANIFEST_UNKNOWN", "UNSUPPORTED", "DIGEST_INVALID"),
    ),
    "missing child": MISSING_CHILD,
    "unknown manifest": ((404,), ("MANIFEST_UNKNOWN",)),
    "unknown manifest in a known repository": ((404,), ("MANIFEST_UNKNOWN",)),
    "part of an index": ((409,), ("DENIED",)),
    "not a manifest": ((400,), ("MANIFEST_INVALID",)),
    "old or foreign type": ((400, 415), ("MANIFEST_INVALID", "UNSUPPORTED")),
}
LAYER = b"the layer of these tests"
CONFIG = image_config([LAYER])
IMAGE = image_manifest(CONFIG, [LAYER])


@pytest.fixture(scope="module")
def repository(registry) -> str:
    """A repository that holds the blobs of IMAGE and the image itself, by digest and as `child`."""
    with Client(registry.address) as client:
        for data in (LAYER, CONFIG, b"{}"):
            client.push_blob("manifests/app", data)
        client.push_manifest("manifests/app", "child", IMAGE)
    return "manifests/app"


def put(client: Client, path: str, data: bytes | dict, media_type: str = OCI_MANIFEST):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return client.request("PUT", path, {"Content-Type": media_type}, body)


def padded(size: int) -> bytes:
    """An image manifest of exactly `size` bytes."""
    empty = json.dumps({**IMAGE, "annotations": {"padding": ""}}).encode()
    return json.dumps({**IMAGE, "annotations": {"padding": "x" * (size - len(empty))}}).encode()


def child() -> dict:
    return descriptor(json.dumps(IMAGE).encode(), OCI_MANIFEST)


def documents() -> dict[str, tuple[str, dict]]:
    """One document of every kind, by name: its media type and content."""
    docker = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": descriptor(CONFIG, DOCKER_CONFIG),
        "layers": [descriptor(LAYER, DOCKER_LAYER)],
    }
    platform = {"platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}}
    empty = descriptor(b"{}", OCI_EMPTY)
    artifact = "application/vnd.example.thing.v1"
    foreign = descriptor(
        b"never pushed", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls=["https://example.org/l"]
    )
    docker_foreign = descriptor(
        b"never pushed", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["https://example.org/l"]
    )
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    return {
        "image": (OCI_MANIFEST, IMAGE),
        "image without mediaType": (OCI_MANIFEST, {key: value for key, value in IMAGE.items() if key != "mediaType"}),
        "image without layers": (OCI_MANIFEST, {**IMAGE, "layers": []}),
        "docker image": (DOCKER_MANIFEST, docker),
        "docker list": (
            DOCKER_LIST,
            {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [{**child(), **platform}]},
        ),
        "docker foreign layer": (DOCKER_MANIFEST, {**docker, "layers": [*docker["layers"], docker_foreign]}),
        "index": (OCI_INDEX, {**index, "manifests": [{**child(), **platform}]}),
        "empty index": (OCI_INDEX, {**index, "manifests": []}),
        "artifact index": (OCI_INDEX, {**index, "manifests": [], "artifactType": artifact}),
        "artifact": (OCI_MANIFEST, {**IMAGE, "artifactType": artifact, "config": empty, "layers": [empty]}),
        "artifact of its own config": (OCI_MANIFEST, {**IMAGE, "config": descriptor(b"{}", artifact), "layers": []}),
        "non-distributable layer": (OCI_MANIFEST, {**IMAGE, "layers": [*IMAGE["layers"], foreign]}),
        "data in the descriptor": (OCI_MANIFEST, {**IMAGE, "config": {**empty, "data": "e30="}}),
        "fields nobody knows": (OCI_MANIFEST, {**IMAGE, "x-unknown": {"deep": [None, True, {"n": -3}]}, "layers": []}),
        "annotations in every script": (
            OCI_MANIFEST,
            {**IMAGE, "annotations": {"k": "\u00e9\u4e2d\U0001f40b \u202e\u0000"}},
        ),
    }


@pytest.mark.parametrize("kind", documents())
def test_every_kind_is_kept_byte_for_byte(client, repository, kind):
    media_type, document = documents()[kind]
    data = json.dumps(document, indent=3).encode() + b"\n \n"
    digest, tag = digest_of(data), "kind-" + kind.replace(" ", "-")
    done = put(client, f"/v2/{repository}/manifests/{tag}", data, media_type).expect(201)
    assert done.headers["Docker-Content-Digest"] == digest
    for path in (done.location, f"/v2/{repository}/manifests/{tag}", f"/v2/{repository}/manifests/{digest}"):
        got, head = client.get(path).expect(200), client.head(path).expect(200)
        assert (got.body, head.body) == (data, b"")
        for answer in (got, head):
            assert answer.headers["Content-Type"] == media_type
            assert answer.headers["Content-Length"] == str(len(data))
            assert answer.headers["Docker-Content-Digest"] == digest
            assert answer.headers["ETag"] == f'"{digest}"'


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_push_by_digest_answers_by_that_digest(client, repository, algorithm):
    data = json.dumps({**IMAGE, "annotations": {"by": algorithm}}).encode()
    digest = digest_of(data, algorithm)
    done = put(client, f"/v2/{repository}/manifests/{digest}", data).expect(201)
    assert done.headers["Docker-Content-Digest"] == digest
    assert done.location == f"/v2/{repository}/manifests/{digest}"
    assert client.head(done.location).expect(200).headers["Docker-Content-Digest"] == digest
    assert client.pull_manifest(repository, digest).body == data
    client.delete(done.location).expect(202)
    client.get(done.location).expect(404)


def test_an_index_may_name_children_by_sha512(client, repository):
    data = json.dumps({**IMAGE, "annotations": {"child": "sha512"}}).encode()
    digest = digest_of(data, "sha512")
    put(client, f"/v2/{repository}/manifests/{digest}", data).expect(201)
    entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(data)}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    put(client, f"/v2/{repository}/manifests/{digest_of(index, 'sha512')}", index, OCI_INDEX).expect(201)
    assert client.pull_manifest(repository, digest_of(index, "sha512")).body == index


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_other_bytes_than_the_digest_are_refused(client, repository, algorithm):
    digest = digest_of(b"other bytes", algorithm)
    refused(put(client, f"/v2/{repository}/manifests/{digest}", IMAGE), REFUSED["other bytes than the digest"])
    client.get(f"/v2/{repository}/manifests/{digest}").expect(404)


@pytest.mark.parametrize(
    "reference", ["sha256:baddigeststring", "md5:" + "0" * 32, "SHA256:" + "0" * 64, "sha256:" + "F" * 64]
)
def test_what_looks_like_a_digest_and_is_none(client, repository, reference):
    refused(put(client, f"/v2/{repository}/manifests/{reference}", IMAGE), REFUSED["no digest at all"])
    client.get(f"/v2/{repository}/manifests/{reference}").expect(404)


@pytest.mark.parametrize(
    "tag", ["a", "_", "A.b-c_D", "0", "x" * 128, "1.0.0-rc.1_build", "latest..", "sha256-" + "0" * 64]
)
def test_tags_of_every_allowed_form(client, repository, tag):
    digest = client.push_manifest(repository, tag, IMAGE)
    assert client.pull_manifest(repository, tag).headers["Docker-Content-Digest"] == digest


@pytest.mark.parametrize("tag", [".INVALID", "-a", "x" * 129, "a%20b", "a+b", "a%0a", "%C3%A9", "a@b", "~"])
def test_tags_of_no_allowed_form(client, repository, tag):
    refused(put(client, f"/v2/{repository}/manifests/{tag}", IMAGE), REFUSED["no tag at all"])
    client.get(f"/v2/{repository}/manifests/{tag}").expect(404)


def test_accept_in_two_lines_and_in_none(client, repository):
    lines = [("Accept", OCI_INDEX), ("Accept", OCI_MANIFEST)]
    for headers in (lines, [("Accept", "*/*")], [("Accept", f"{OCI_MANIFEST};q=0.5, application/*;q=0.1")], []):
        answer = client.request("GET", f"/v2/{repository}/manifests/child", headers).expect(200)
        assert answer.headers["Content-Type"] == OCI_MANIFEST


def test_accept_never_changes_the_bytes_of_a_digest(client, repository):
    """A client that cannot read the type gets it all the same, or is refused; it never gets other bytes."""
    digest = client.push_index(repository, "choice", [digest_of(json.dumps(IMAGE).encode())])
    for reference in (digest, "choice"):
        answer = client.get(f"/v2/{repository}/manifests/{reference}", {"Accept": OCI_MANIFEST}).expect(200, 404, 406)
        if answer.status == 200:
            assert digest_of(answer.body) == answer.headers["Docker-Content-Digest"]
            assert reference != digest or answer.headers["Docker-Content-Digest"] == digest
            assert answer.json()["mediaType"] == answer.headers["Content-Type"]


def test_parameters_of_the_content_type_are_ignored(client, repository):
    done = put(client, f"/v2/{repository}/manifests/charset", IMAGE, OCI_MANIFEST + "; charset=utf-8").expect(201)
    assert client.get(done.location).expect(200).headers["Content-Type"] == OCI_MANIFEST


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/vnd.docker.distribution.manifest.v1+prettyjws", "nonsense"]
)
def test_types_that_are_no_manifest(client, repository, media_type):
    refused(put(client, f"/v2/{repository}/manifests/foreign", IMAGE, media_type), REFUSED["old or foreign type"])
    client.get(f"/v2/{repository}/manifests/foreign").expect(404)


@pytest.mark.parametrize(
    "data",
    [b"", b"not json", b"[]", b"null", b"{}", b'"text"', b'{"schemaVersion": 1}', b"\xff\xfe", IMAGE | {"config": 1}],
)
def test_bodies_that_are_no_manifest(client, repository, data):
    refused(put(client, f"/v2/{repository}/manifests/junk", data), REFUSED["not a manifest"])
    client.get(f"/v2/{repository}/manifests/junk").expect(404)


def test_four_mebibytes_fit(client, repository):
    data = padded(4 * MIB)
    assert len(data) == 4 * MIB
    digest = client.push_manifest(repository, "full", data)
    assert client.pull_manifest(repository, digest).body == data
    chunked = padded(4 * MIB - 1)
    headers = {"Content-Type": OCI_MANIFEST}
    client.request(
        "PUT",
        f"/v2/{repository}/manifests/chunked",
        headers,
        (chunked[i : i + 65536] for i in range(0, 4 * MIB, 65536)),
    ).expect(201)
    assert client.pull_manifest(repository, "chunked").body == chunked


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_one_byte_more_is_refused(client, repository, framing):
    data = padded(4 * MIB + 1)
    body = data if framing == "length" else (data[i : i + 65536] for i in range(0, len(data), 65536))
    with Connection(client.address) as connection:
        answer = connection.request("PUT", f"/v2/{repository}/manifests/over", [("Content-Type", OCI_MANIFEST)], body)
    refused(answer, REFUSED["too large"])
    client.get(f"/v2/{repository}/manifests/over").expect(404)


def test_a_manifest_that_will_be_too_large_is_refused_before_it_is_sent(registry, repository):
    """The answer comes without the body, or after no more of it than 64 KiB above the limit (security S1)."""
    with Connection(registry.address) as connection:
        connection.send(
            connection.head(
                "PUT",
                f"/v2/{repository}/manifests/huge",
                [("Content-Type", OCI_MANIFEST), ("Content-Length", str(10 << 30))],
            )
        )
        refused(connection.reply("PUT"), REFUSED["too large"])
    with Connection(registry.address) as connection:
        connection.send(
            connection.head(
                "PUT",
                f"/v2/{repository}/manifests/huge",
                [("Content-Type", OCI_MANIFEST), ("Transfer-Encoding", "chunked")],
            )
        )
        for _ in range(65):
            connection.send(chunk(b" " * 65536))
        refused(connection.reply("PUT"), REFUSED["too large"])


def test_a_cache_asks_again_for_a_tag_and_keeps_a_digest_for_whom_it_was_told(client, repository):
    digest = digest_of(json.dumps(IMAGE).encode())
    for method in ("GET", "HEAD"):
        for condition in ({}, {"If-None-Match": f'"{digest}"'}):
            assert (
                client.request(method, f"/v2/{repository}/manifests/child", condition).headers["Cache-Control"]
                == "no-cache"
            )
            by_digest = client.request(method, f"/v2/{repository}/manifests/{digest}", condition)
            blob = client.request(method, f"/v2/{repository}/blobs/{digest_of(LAYER)}")
            assert by_digest.headers["Vary"] == blob.headers["Vary"] == "Authorization"
        assert client.request(method, f"/v2/{repository}/tags/list").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("kind", [OCI_MANIFEST, OCI_INDEX])
def test_a_subject_is_confirmed(client, repository, kind):
    base = IMAGE if kind == OCI_MANIFEST else {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    for subject in (child(), {**child(), "digest": ABSENT}):
        document = {**base, "subject": subject}
        done = put(client, f"/v2/{repository}/manifests/with-subject", document, kind).expect(201)
        assert done.headers["OCI-Subject"] == subject["digest"]
    assert put(client, f"/v2/{repository}/manifests/without", base, kind).expect(201).headers["OCI-Subject"] is None


def test_nested_indexes(client, repository):
    inner = client.push_index(repository, "inner", [digest_of(json.dumps(IMAGE).encode())])
    outer = client.push_index(repository, "outer", [inner, digest_of(json.dumps(IMAGE).encode())])
    assert [entry["digest"] for entry in client.pull_manifest(repository, outer).json()["manifests"]][0] == inner


@pytest.mark.parametrize("place", ["config", "layers", "manifests"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_a_manifest_refers_to_must_be_there(client, repository, place, algorithm):
    data = os.urandom(20)
    absent = {"mediaType": OCI_LAYER, "digest": digest_of(data, algorithm), "size": len(data)}
    document = {
        "config": {**IMAGE, "config": {**absent, "mediaType": OCI_CONFIG}},
        "layers": {**IMAGE, "layers": [*IMAGE["layers"], absent]},
        "manifests": {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [child(), {**absent, "mediaType": OCI_MANIFEST}],
        },
    }[place]
    answer = put(client, f"/v2/{repository}/manifests/incomplete", document, document["mediaType"])
    refused(answer, REFUSED["missing child"])
    assert absent["digest"] in answer.body.decode(), "the answer names what is missing"
    assert digest_of(LAYER) not in answer.body.decode(), "and not what is there"
    client.get(f"/v2/{repository}/manifests/incomplete").expect(404)


def test_blobs_of_another_repository_do_not_count(client):
    for data in (LAYER, CONFIG):
        client.push_blob("other/app", data)
    client.push_blob("poor/app", CONFIG)
    refused(put(client, "/v2/poor/app/manifests/latest", IMAGE), REFUSED["missing child"])


@pytest.mark.parametrize("reference", ["nosuchtag", ABSENT, "sha512:" + "0" * 128])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_is_not_there(client, repository, method, reference):
    refused(
        client.request(method, f"/v2/{repository}/manifests/{reference}"),
        REFUSED["unknown manifest in a known repository"],
    )
    refused(client.request(method, f"/v2/no/such/manifests/{reference}"), REFUSED["unknown manifest"])


def test_a_tag_moves(client, repository):
    digests = [
        client.push_manifest(repository, "moving", {**IMAGE, "annotations": {"turn": str(turn)}}) for turn in range(3)
    ]
    assert len(set(digests)) == 3
    assert client.head(f"/v2/{repository}/manifests/moving").headers["Docker-Content-Digest"] == digests[-1]
    for digest in digests:
        client.pull_manifest(repository, digest)


def test_deleting_a_tag_deletes_only_that_tag(client, repository):
    document = {**IMAGE, "annotations": {"for": "tag delete"}}
    digest = client.push_manifest(repository, "goes", document)
    client.push_manifest(repository, "stays", document)
    client.delete(f"/v2/{repository}/manifests/goes").expect(202)
    refused(client.get(f"/v2/{repository}/manifests/goes"), REFUSED["unknown manifest"])
    refused(client.delete(f"/v2/{repository}/manifests/goes"), REFUSED["unknown manifest"])
    assert client.pull_manifest(repository, "stays").headers["Docker-Content-Digest"] == digest
    client.delete(f"/v2/{repository}/manifests/stays").expect(202)
    client.pull_manifest(repository, digest)


def test_deleting_by_digest_deletes_its_tags(client, repository):
    document = {**IMAGE, "annotations": {"for": "digest delete"}}
    digest = client.push_manifest(repository, "one", document)
    client.push_manifest(repository, "two", document)
    client.delete(f"/v2/{repository}/manifests/{digest}").expect(202)
    for reference in ("one", "two", digest):
        refused(client.get(f"/v2/{repository}/manifests/{reference}"), REFUSED["unknown manifest"])
        client.head(f"/v2/{repository}/manifests/{reference}").expect(404)
    assert not {"one", "two"} & set(client.get(f"/v2/{repository}/tags/list").json()["tags"])
    assert client.pull_blob(repository, digest_of(LAYER)) == LAYER


def test_a_child_of_an_index_is_not_deleted(client, repository):
    digest = client.push_manifest(repository, "held", {**IMAGE, "annotations": {"held": "yes"}})
    index = client.push_index(repository, "holder", [digest])
    refused(client.delete(f"/v2/{repository}/manifests/{digest}"), REFUSED["part of an index"])
    client.pull_manifest(repository, "held")
    client.delete(f"/v2/{repository}/manifests/held").expect(202)
    client.delete(f"/v2/{repository}/manifests/{index}").expect(202)
    client.delete(f"/v2/{repository}/manifests/{digest}").expect(202)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_not_modified(client, repository, method):
    digest = client.head(f"/v2/{repository}/manifests/child").headers["Docker-Content-Digest"]
    for reference in ("child", digest):
        path = f"/v2/{repository}/manifests/{reference}"
        answer = client.request(method, path, {"If-None-Match": f'"{digest}"'}).expect(304)
        assert (answer.body, answer.headers["ETag"]) == (b"", f'"{digest}"')
        client.request(method, path, {"If-None-Match": '"other"'}).expect(200)


def test_a_manifest_of_another_repository_is_not_there(client, repository):
    """security S26: a digest says nothing about where its manifest may be read."""
    digest = client.head(f"/v2/{repository}/manifests/child").headers["Docker-Content-Digest"]
    client.push_blob("manifests/stranger", LAYER)
    for method in ("GET", "HEAD", "DELETE"):
        refused(client.request(method, f"/v2/manifests/stranger/manifests/{digest}"), REFUSED["unknown manifest"])
    client.pull_manifest(repository, digest)


def test_a_delete_holds_for_every_worker(registry, client, repository):
    """security S5: no process goes on serving what it remembers."""
    digest = client.push_manifest(repository, "everywhere", {**IMAGE, "annotations": {"for": "every worker"}})
    paths = [f"/v2/{repository}/manifests/{reference}" for reference in ("everywhere", digest)]
    for _ in range(10):
        for path in paths:
            request(registry.address, "GET", path).expect(200)
    client.delete(paths[1]).expect(202)
    for _ in range(10):
        for path in paths:
            refused(request(registry.address, "GET", path), REFUSED["unknown manifest"])


def test_pushing_the_same_manifest_again_changes_nothing(client, repository):
    first = client.push_manifest(repository, "again", IMAGE)
    assert client.push_manifest(repository, "again", IMAGE) == first


def test_a_manifest_is_also_no_blob(client, repository):
    """One digest, two namespaces: a manifest is read by its own route only, and a blob by its own."""
    digest = client.head(f"/v2/{repository}/manifests/child").headers["Docker-Content-Digest"]
    client.get(f"/v2/{repository}/blobs/{digest}").expect(404, 200)
    refused(client.get(f"/v2/{repository}/manifests/{digest_of(LAYER)}"), REFUSED["unknown manifest"])
