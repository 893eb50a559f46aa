"""Manifests that other registries store, so that people can move here: odd media types, no layers, wrong sizes, very
many layers.
"""

from __future__ import annotations

import json

import pytest

from tests.protocol.refusal import refused
from tests.support.http import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Client,
    descriptor,
    digest_of,
)

LAYER, CONFIG = b"the layer", b"{}"
WRONG = {**descriptor(LAYER, OCI_LAYER), "size": 12345}


def image(media_type: str = OCI_MANIFEST, **fields) -> dict:
    config = descriptor(CONFIG, DOCKER_CONFIG if media_type == DOCKER_MANIFEST else OCI_CONFIG)
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config,
        "layers": [descriptor(LAYER, OCI_LAYER)],
        **fields,
    }
    return {key: value for key, value in document.items() if value is not ...}


def index(*children: dict, **fields) -> dict:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children), **fields}
    return {key: value for key, value in document.items() if value is not ...}


@pytest.fixture(scope="module")
def repository(registry) -> str:
    with Client(registry.address) as client:
        for data in (LAYER, CONFIG):
            client.push_blob("moved/app", data)
        client.push_manifest("moved/app", "child", image())
    return "moved/app"


def kept(client: Client, repository: str, document: dict):
    """The answer to its push, once it is found to be served as it came."""
    data = json.dumps(document).encode()
    done = client.request(
        "PUT", f"/v2/{repository}/manifests/kept", {"Content-Type": document["mediaType"]}, data
    ).expect(201)
    found = client.get(f"/v2/{repository}/manifests/{digest_of(data)}").expect(200)
    assert (found.body, found.headers["Content-Type"]) == (data, document["mediaType"])
    return done


@pytest.mark.parametrize("value", [None, ..., []])
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image_without_layers(client, repository, media_type, value):
    """docker pushes an image `FROM scratch` without files as `"layers": null`."""
    kept(client, repository, image(media_type, layers=value))


@pytest.mark.parametrize("value", [None, ..., []])
def test_an_index_without_manifests(client, repository, value):
    kept(client, repository, index(manifests=value))


@pytest.mark.parametrize(
    "media_type",
    ["spdx", "sometype", "text/plain; charset=utf-8", "application/vnd.cncf.helm+json;version=0.2", "a/b/c"],
)
def test_media_types(client, repository, media_type):
    layer = descriptor(LAYER, media_type)
    kept(client, repository, image(layers=[layer], config=descriptor(CONFIG, media_type)))
    kept(client, repository, image(layers=[layer], config=descriptor(CONFIG, OCI_EMPTY), artifactType=media_type))
    subject = {**descriptor(media_type.encode(), OCI_MANIFEST)}
    kept(client, repository, image(layers=[], subject=subject, artifactType=media_type))
    (entry,) = client.get(f"/v2/{repository}/referrers/{subject['digest']}").expect(200).json()["manifests"]
    assert entry["artifactType"] == media_type


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (lambda child: image(layers=[descriptor(LAYER, OCI_LAYER), WRONG]), "layers[1].size is 12345"),
        (lambda child: image(config={**descriptor(CONFIG, OCI_CONFIG), "size": 0}), "config.size is 0"),
        (lambda child: index({**child, "size": 1}), "manifests[0].size is 1"),
        (lambda child: index(child, WRONG), "manifests[1].size is 12345"),
    ],
)
def test_a_size_that_is_not_the_contents_is_a_warning(client, repository, document, named):
    child = descriptor(json.dumps(image()).encode(), OCI_MANIFEST)
    for _ in range(2):
        (warning,) = kept(client, repository, document(child)).headers.get_all("Warning")
        assert warning.startswith(f'299 - "{named}, but sha256:') and warning.endswith(' bytes"'), warning
    assert kept(client, repository, image()).headers["Warning"] is None
    assert kept(client, repository, index(child)).headers["Warning"] is None


@pytest.mark.parametrize("value", [1, 2.5, -3, 10**20, "text"])
@pytest.mark.parametrize("place", ["annotations", "config", "layers", "manifests", "subject"])
def test_numbers_in_annotations_are_stored_wherever_they_are(client, repository, place, value):
    notes = {"annotations": {"a": value}}
    child = descriptor(json.dumps(image()).encode(), OCI_MANIFEST)
    documents = {
        "annotations": image(**notes),
        "config": image(config={**descriptor(CONFIG, OCI_CONFIG), **notes}),
        "layers": image(layers=[{**descriptor(LAYER, OCI_LAYER), **notes}]),
        "manifests": index({**child, **notes}),
        "subject": image(subject={**child, **notes}),
    }
    kept(client, repository, documents[place])


def test_twenty_thousand_layers(client, repository):
    layers = [{"mediaType": OCI_LAYER, "digest": digest_of(LAYER), "size": len(LAYER)}] * 20_000
    kept(client, repository, image(layers=layers))
    missing = [*layers[:17_000], descriptor(b"missing", OCI_LAYER), *layers[:2_999]]
    data = json.dumps(image(layers=missing)).encode()
    answer = client.request("PUT", f"/v2/{repository}/manifests/missing", {"Content-Type": OCI_MANIFEST}, data)
    refused(answer, ((400, 404), ("MANIFEST_BLOB_UNKNOWN",)))
    assert b"layers[17000]" in answer.body and digest_of(b"missing").encode() in answer.body


def test_an_error_says_where_it_is(client, repository):
    layers = [descriptor(LAYER, OCI_LAYER) for _ in range(20)]
    layers[17]["mediaType"] = "text/\n"
    data = json.dumps(image(layers=layers)).encode()
    answer = client.request("PUT", f"/v2/{repository}/manifests/wrong", {"Content-Type": OCI_MANIFEST}, data)
    refused(answer, ((400,), ("MANIFEST_INVALID",)))
    assert b"layers[17].mediaType" in answer.body
