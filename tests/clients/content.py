"""Comparing what a registry holds with what was pushed, by digest, through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.http import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Client
from tests.support.images import Layout

DOCUMENTS = {OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST}


def upload(client: Client, layout: Layout, repository: str, tag: str, root: Mapping[str, Any]) -> str:
    """Push an image or index of a layout, children first, and tag it; its digest."""
    body = layout.read(root["digest"])
    for child in _children(body):
        if child["mediaType"] in DOCUMENTS:
            upload(client, layout, repository, child["digest"], child)
        else:
            client.push_blob(repository, layout.read(child["digest"]))
    return client.push_manifest(repository, tag, body, root["mediaType"])


def stored(client: Client, repository: str, reference: str) -> set[str]:
    """The digests of a manifest and of everything below it, each fetched from the registry and verified."""
    return set(_walk(client, repository, reference))


def _walk(client: Client, repository: str, reference: str) -> Iterator[str]:
    found = client.pull_manifest(repository, reference)
    yield found.headers["Docker-Content-Digest"]
    for child in _children(found.body):
        if child["mediaType"] in DOCUMENTS:
            yield from _walk(client, repository, child["digest"])
        else:
            client.pull_blob(repository, child["digest"])
            yield child["digest"]


def _children(body: bytes) -> list[dict[str, Any]]:
    document = json.loads(body)
    config = [document["config"]] if "config" in document else []
    return [*config, *document.get("layers", []), *document.get("manifests", [])]


def words(client: Client, path: str) -> str:
    """The message of the error that a GET of `path` is answered with: what a client should show to its user."""
    error = client.get(path).json()["errors"][0]
    assert error["message"], error
    return error["message"]
