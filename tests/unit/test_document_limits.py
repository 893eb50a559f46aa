"""Manifests of any size and form are read or refused in words, and none for long."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockboard_registry.domain.content import documents
from dockboard_registry.domain.content.documents import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    parse,
)
from dockboard_registry.errors import ManifestInvalid
from tests.unit.test_documents import CHILD, DIGEST, IMAGE, INDEX, LAYER, changed, read, refusal

# fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def nested(depth: int, innermost: str = "1") -> bytes:
    inside = "[" * depth + innermost + "]" * depth
    return json.dumps(changed(IMAGE, other="@")).replace('"@"', inside).encode()


def test_depth_is_limited():
    parse(nested(60), "")
    for depth in (70, 1000, 100_000):
        assert refusal(nested(depth)).startswith(
            ("the JSON is nested too deeply", "the body is not valid JSON in UTF-8", "the JSON has ")
        )


def test_brackets_in_text_are_no_depth():
    read(changed(IMAGE, annotations={"a": "[{" * 1000}))


def test_the_number_of_values_is_limited():
    assert "at most 250000" in refusal(changed(IMAGE, other=[0] * 260_000))
    read(changed(IMAGE, other=[0] * 200_000))


def test_layers_and_children_are_limited():
    for document, key, entry, most in (
        (IMAGE, "layers", {**LAYER, "digest": DIGEST}, 20_000),
        (INDEX, "manifests", CHILD, 10_000),
    ):
        read(changed(document, **{key: [entry] * most}))
        assert f"{most + 1} entries" in refusal(changed(document, **{key: [entry] * (most + 1)}))


def of_full_size(piece: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    return head + piece * ((documents.SIZE_LIMIT - len(head) - len(tail)) // len(piece)) + tail


@pytest.mark.parametrize(
    "body",
    [
        of_full_size(b"["),
        of_full_size(b'{"a":'),
        of_full_size(b"1"),
        of_full_size(b"-"),
        of_full_size(b'"\\u0041', b'{"a":', b"}"),
        of_full_size(b"\\u0041", b'{"a":"', b'"}'),
        of_full_size(b"\\", b'{"a":"', b'"}'),
        of_full_size(b" "),
        of_full_size(b"9" * 4000 + b",", b'{"a":[', b"0]}"),
        of_full_size(b"1.7e308,", b'{"a":[', b"0]}"),
        of_full_size(b"\xc3\xa9", b'{"a":"', b'"}'),
        of_full_size(b"\xff"),
        of_full_size(b"{},", b'{"a":[', b"0]}"),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_no_body_holds_the_interpreter_for_long(body):
    begun = time.perf_counter()
    refusal(body, OCI_MANIFEST)
    assert time.perf_counter() - begun < 2


@given(JSON, st.sampled_from(["", OCI_MANIFEST, OCI_INDEX, DOCKER_LIST, "x"]))
def test_any_json_is_read_or_refused_in_words(document, content_type):
    try:
        read(document, content_type)
    except ManifestInvalid as error:
        assert error.cause


@given(
    st.sampled_from([IMAGE, INDEX]),
    st.sampled_from(
        ["config", "layers", "manifests", "subject", "annotations", "artifactType", "schemaVersion", "mediaType"]
    ),
    JSON,
)
def test_any_value_in_any_field_is_read_or_refused_in_words(document, field, value):
    try:
        found = read({**document, field: value})
    except ManifestInvalid as error:
        assert error.cause
    else:
        assert found.media_type in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_in_words(body):
    refusal(body, OCI_MANIFEST)
