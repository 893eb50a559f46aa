"""Manifests that are bombs, lies or riddles (security S7, H4, H5): 400, nothing stored,
and nobody else waits for it.
"""

from __future__ import annotations

import copy
import json
import time

import pytest

from tests.protocol import wire
from tests.protocol.refusal import refused
from tests.security.state import Unchanged
from tests.support.http import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Client,
    descriptor,
    digest_of,
    image_config,
    image_manifest,
)

MIB = 1 << 20
LAYERS, CHILDREN = 20_000, 10_000
INVALID = ((400,), ("MANIFEST_INVALID",))
REFUSED = {
    "invalid": INVALID,
    "digest": ((400,), ("MANIFEST_INVALID", "DIGEST_INVALID")),
    "type": ((400, 415), ("MANIFEST_INVALID", "UNSUPPORTED")),
}
LAYER = b"the layer of these manifests"
CONFIG = image_config([LAYER])
IMAGE = {**image_manifest(CONFIG, [LAYER]), "annotations": {"a": "b"}, "artifactType": "application/vnd.example.x"}
IMAGE["subject"] = descriptor(b"a subject that is not there", OCI_MANIFEST)
PLAIN = image_manifest(CONFIG, [LAYER])
INDEX = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [
        {**descriptor(json.dumps(PLAIN).encode(), OCI_MANIFEST), "platform": {"architecture": "amd64", "os": "linux"}}
    ],
    "annotations": {"a": "b"},
    "artifactType": "application/vnd.example.x",
    "subject": descriptor(b"a subject that is not there", OCI_MANIFEST),
}
ABSENT = object()
STRING, INTEGER, OBJECT, LIST = "a string", 1, {"k": "v"}, ["a"]
OTHERS = {
    str: [INTEGER, 1.5, True, OBJECT, LIST, [], {}],
    int: [STRING, "1", 1.0, 1.5, True, OBJECT, LIST, None, ABSENT],
    dict: [STRING, INTEGER, True, LIST, []],
    list: [STRING, INTEGER, True, OBJECT, {}],
}
# Where, which type belongs there, and whether it may be missing (or null, as Go writes empty fields).
FIELDS = [
    (IMAGE, "schemaVersion", int, False),
    (IMAGE, "mediaType", str, True),
    (IMAGE, "artifactType", str, True),
    (IMAGE, "config", dict, False),
    (IMAGE, "config.mediaType", str, False),
    (IMAGE, "config.digest", str, False),
    (IMAGE, "config.size", int, False),
    (IMAGE, "layers", list, True),
    (IMAGE, "layers.0", dict, False),
    (IMAGE, "layers.0.mediaType", str, False),
    (IMAGE, "layers.0.digest", str, False),
    (IMAGE, "layers.0.size", int, False),
    (IMAGE, "annotations", dict, True),
    (IMAGE, "annotations.a", str, False),
    (IMAGE, "subject", dict, True),
    (IMAGE, "subject.digest", str, False),
    (IMAGE, "subject.size", int, False),
    (IMAGE, "subject.mediaType", str, False),
    (INDEX, "schemaVersion", int, False),
    (INDEX, "mediaType", str, True),
    (INDEX, "artifactType", str, True),
    (INDEX, "manifests", list, True),
    (INDEX, "manifests.0", dict, False),
    (INDEX, "manifests.0.mediaType", str, False),
    (INDEX, "manifests.0.digest", str, False),
    (INDEX, "manifests.0.size", int, False),
    (INDEX, "annotations", dict, True),
    (INDEX, "subject", dict, True),
]
BAD_DIGESTS = [
    "",
    "sha256",
    "sha256:",
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha256:" + "A" * 64,
    "SHA256:" + "0" * 64,
    "sha512:" + "0" * 64,
    "sha256:" + "\uff10" * 64,
    "sha256:" + "0" * 64 + "\n",
    " sha256:" + "0" * 64,
    "md5:" + "0" * 32,
    "sha256+b64u:" + "0" * 43,
    "sha256:../../" + "0" * 58,
    "a" * 100_000,
]
SIZES = {
    "-1": 400,
    "9223372036854775807": 201,
    "9223372036854775808": 400,
    "1" * 30: 400,
    "1.0": 400,
    "1e3": 400,
    "-0": 201,
    "00": 400,
    "0x1": 400,
    "1_0": 400,
    "+1": 400,
    '"1"': 400,
    "true": 400,
    "null": 400,
}


def text(document: dict) -> str:
    return json.dumps(document)


def replaced(document: dict, path: str, value: object) -> dict:
    """A copy with one field changed, or taken away for ABSENT."""
    found = whole = copy.deepcopy(document)
    *parents, last = path.split(".")
    for key in parents:
        found = found[int(key) if key.isdigit() else key]
    key = int(last) if last.isdigit() else last
    if value is ABSENT:
        del found[key]
    else:
        found[key] = value
    return whole


def with_raw(value: str, field: str = "x") -> bytes:
    """An otherwise good manifest in which an unknown field has this text as its value."""
    return (text(IMAGE)[:-1] + f', "{field}": {value}}}').encode("utf-8", "surrogatepass")


MALFORMED = {
    "NaN": with_raw("NaN"),
    "Infinity": with_raw("Infinity"),
    "-Infinity": with_raw("-Infinity"),
    "1e999": with_raw("1e999"),
    "-1e999": with_raw("-1e999"),
    "same key twice": with_raw('{"a": 1, "a": 1}'),
    "same key twice on top": with_raw("2", "schemaVersion"),
    "layers twice": with_raw("[]", "layers"),
    "mediaType twice": with_raw(f'"{OCI_INDEX}"', "mediaType"),
    "same key twice by escapes": with_raw('{"a": 1, "\\u0061": 1}'),
    "5,000 digits": with_raw("9" * 5_000),
    "minus 5,000 digits": with_raw("-" + "9" * 5_000),
    "5,000 digits as schemaVersion": (
        text(IMAGE).replace('"schemaVersion": 2', '"schemaVersion": ' + "2" * 5_000).encode()
    ),
    "lone high surrogate": with_raw('"\\ud800"'),
    "lone low surrogate": with_raw('"a\\udc00b"'),
    "surrogates in the wrong order": with_raw('"\\udc00\\ud800"'),
    "lone surrogate in a key": with_raw('{"\\ud800": 1}'),
    "surrogate in UTF-8": b'{"x": "\xed\xa0\x80", ' + text(IMAGE)[1:].encode(),
    "no UTF-8": b'{"x": "\xff", ' + text(IMAGE)[1:].encode(),
    "overlong UTF-8": b'{"x": "\xc0\xae", ' + text(IMAGE)[1:].encode(),
    "UTF-16": text(IMAGE).encode("utf-16"),
    "UTF-32": text(IMAGE).encode("utf-32"),
    "byte order mark": b"\xef\xbb\xbf" + text(IMAGE).encode(),
    "cut short": text(IMAGE).encode()[:-1],
    "something behind it": text(IMAGE).encode() + b"{}",
    "NUL behind it": text(IMAGE).encode() + b"\0",
    "comma at the end": text(IMAGE).encode()[:-1] + b",}",
    "comment": b"/* */" + text(IMAGE).encode(),
    "single quotes": text(IMAGE).replace('"', "'").encode(),
    "control character in a string": with_raw('"\n"'),
    "unknown escape": with_raw('"\\x41"'),
    "65 levels": with_raw("[" * 65 + "]" * 65),
    "990 levels": with_raw("[" * 990 + "]" * 990),
    "100,000 levels": with_raw("[" * 100_000 + "]" * 100_000),
    "100,000 levels never closed": with_raw("[" * 100_000),
    "levels of objects": with_raw('{"a":' * 5_000 + "1" + "}" * 5_000),
    "4 MiB of empty lists": with_raw("[" + "[]," * ((4 * MIB - 2_000) // 3) + "[]]"),
    "4 MiB of empty objects": with_raw("[" + "{}," * ((4 * MIB - 2_000) // 3) + "{}]"),
    "4 MiB of numbers": with_raw("[" + "0," * ((4 * MIB - 2_000) // 2) + "0]"),
    "4 MiB of keys": with_raw("{" + ",".join(f'"{n:x}":0' for n in range(400_000)) + "}"),
    "4 MiB of opening brackets": b"[" * (4 * MIB),
    "4 MiB of blanks": b" " * (4 * MIB),
    "4 MiB of minus": b"-" * (4 * MIB),
    "4 MiB of quotes": b'"' * (4 * MIB),
    "list instead": b"[" + text(IMAGE).encode() + b"]",
    "schemaVersion 1": text(replaced(IMAGE, "schemaVersion", 1)).encode(),
    "schemaVersion 3": text(replaced(IMAGE, "schemaVersion", 3)).encode(),
    "layers and manifests": text({**IMAGE, "manifests": []}).encode(),
    "manifests beside layers, filled": text({**IMAGE, "manifests": INDEX["manifests"]}).encode(),
    "too many layers": text({**PLAIN, "layers": PLAIN["layers"][:1] * (LAYERS + 1)}).encode(),
    "schema 1": (
        text(
            {
                "schemaVersion": 1,
                "name": "a",
                "tag": "b",
                "fsLayers": [{"blobSum": "sha256:" + "0" * 64}],
                "history": [],
            }
        ).encode()
    ),
}
MALFORMED_INDEXES = {
    "layers in an index": text({**INDEX, "layers": []}).encode(),
    "config in an index": text({**INDEX, "config": IMAGE["config"], "layers": IMAGE["layers"]}).encode(),
    "too many manifests": (
        text(
            {
                **INDEX,
                "manifests": (
                    [{key: INDEX["manifests"][0][key] for key in ("mediaType", "digest", "size")}] * (CHILDREN + 1)
                ),
            }
        ).encode()
    ),
    "an image as an index": text(IMAGE).encode(),
}
CONFUSIONS = [
    (OCI_MANIFEST, OCI_INDEX),
    (OCI_INDEX, OCI_MANIFEST),
    (DOCKER_MANIFEST, OCI_MANIFEST),
    (OCI_MANIFEST, DOCKER_MANIFEST),
    (DOCKER_LIST, OCI_INDEX),
    (OCI_MANIFEST, "application/json"),
    ("application/json", OCI_MANIFEST),
    (OCI_MANIFEST.upper(), OCI_MANIFEST),
    (OCI_MANIFEST + " ", OCI_MANIFEST),
]


@pytest.fixture(scope="module")
def filled(registry):
    with Client(registry.address) as client:
        client.push_blob("json/app", LAYER)
        client.push_blob("json/app", CONFIG)
        client.push_manifest("json/app", "good", PLAIN)
    return registry


def put(address: str, data: bytes, media_type: str = OCI_MANIFEST, tag: str = "x"):
    return wire.request(
        address, "PUT", f"/v2/json/app/manifests/{tag}", [("Content-Type", media_type)], data, timeout=20
    )


def test_the_pattern_of_these_tests_is_accepted(filled):
    """What is refused below differs from these in one thing."""
    with Client(filled.address) as client:
        put(filled.address, text(IMAGE).encode(), tag="pattern").expect(201)
        put(filled.address, text(INDEX).encode(), OCI_INDEX, "pattern").expect(201)
        put(filled.address, with_raw("[" * 60 + "1e300" + "]" * 60), tag="pattern").expect(201)
        put(filled.address, with_raw('"\\ud83d\\udc0b \\u0000"'), tag="pattern").expect(201)
        put(filled.address, text({**PLAIN, "layers": PLAIN["layers"][:1] * LAYERS}).encode(), tag="pattern").expect(201)
        client.get("/v2/json/app/manifests/pattern").expect(200)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_manifests(filled, name):
    with Unchanged(filled):
        refused(put(filled.address, MALFORMED[name][: 4 * MIB]), REFUSED["invalid"])


@pytest.mark.parametrize("name", MALFORMED_INDEXES)
def test_malformed_indexes(filled, name):
    with Unchanged(filled):
        refused(put(filled.address, MALFORMED_INDEXES[name], OCI_INDEX), REFUSED["invalid"])


@pytest.mark.parametrize(
    ("document", "path", "kind", "optional"),
    FIELDS,
    ids=[("index " if field[0] is INDEX else "image ") + field[1] for field in FIELDS],
)
def test_wrong_types(filled, document, path, kind, optional):
    media_type = document["mediaType"]
    values = [value for value in OTHERS[kind] if value is not None and value is not ABSENT]
    if path == "annotations.a":
        values = [value for value in values if isinstance(value, bool) or not isinstance(value, (int, float))]
    if not optional:
        values += [
            value
            for value in (None, ABSENT)
            if not (value is ABSENT and (path == "annotations.a" or path.endswith(".0")))
        ]
    with Unchanged(filled):
        for value in values:
            answer = put(filled.address, text(replaced(document, path, value)).encode(), media_type)
            assert answer.status == 400, f"{path} = {value!r}: {answer.status}"
            refused(answer, REFUSED["digest"])


@pytest.mark.parametrize(
    "path",
    [
        "layers.0.urls",
        "layers.0.annotations",
        "config.data",
        "config.platform",
        "subject.artifactType",
        "annotations",
        "subject",
    ],
)
@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [1], {"a": 1}, True], ids=repr)
def test_fields_that_the_registry_does_not_need_are_kept_or_refused(filled, path, value):
    """Either the bytes are served exactly as they came, or nothing is stored; never an error of the server."""
    data = text(replaced(IMAGE, path, value)).encode()
    answer = put(filled.address, data, tag="optional").expect(201, 400)
    if answer.status == 201:
        assert wire.request(filled.address, "GET", "/v2/json/app/manifests/optional").expect(200).body == data


@pytest.mark.parametrize("path", ["config.digest", "layers.0.digest", "subject.digest"])
def test_bad_digests_inside(filled, path):
    with Unchanged(filled):
        for digest in BAD_DIGESTS:
            refused(put(filled.address, text(replaced(IMAGE, path, digest)).encode()), REFUSED["digest"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", ["subject", "foreign"])
def test_sizes(filled, place, size):
    """A size is an integer of 0 to 2^63-1; the subject need not be there, nor a foreign layer, so the size alone
    decides.
    """
    entry = '{"mediaType": "%s", "digest": "sha256:%s", "size": %s}'
    if place == "subject":
        data = text(PLAIN)[:-1] + ', "subject": ' + entry % (OCI_MANIFEST, "0" * 64, size) + "}"
    else:
        foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar"
        data = text(PLAIN).replace('"layers": [', '"layers": [' + entry % (foreign, "0" * 64, size) + ", ")
    answer = put(filled.address, data.encode(), tag="size")
    assert answer.status == SIZES[size]
    if answer.status == 400:
        refused(answer, REFUSED["invalid"])


@pytest.mark.parametrize(("inside", "header"), CONFUSIONS)
def test_two_opinions_about_the_type(filled, inside, header):
    """CVE-2021-41190: the type in the document and the type in the header are one, or nothing is stored."""
    base = INDEX if inside in (OCI_INDEX, DOCKER_LIST) else PLAIN
    with Unchanged(filled):
        refused(put(filled.address, text({**base, "mediaType": inside}).encode(), header), REFUSED["type"])


def test_one_digest_has_one_type(filled):
    """Bytes that do not tell their own type, pushed as two: by tag and by digest the answer is the same one of them."""
    data = text({key: value for key, value in PLAIN.items() if key != "mediaType"}).encode()
    put(filled.address, data, OCI_MANIFEST, "typed").expect(201)
    put(filled.address, data, DOCKER_MANIFEST, "typed-again").expect(201, 400)
    found = set()
    for reference in ("typed", digest_of(data)):
        for accept in (OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST):
            answer = wire.request(
                filled.address, "GET", f"/v2/json/app/manifests/{reference}", [("Accept", accept)]
            ).expect(200)
            assert answer.body == data
            found.add(answer.headers["Content-Type"])
    assert len(found) == 1 and found <= {OCI_MANIFEST, DOCKER_MANIFEST}


@pytest.mark.parametrize("media_type", ["a/" + "b" * 300, "a/b\n", "a/\u202eb", " a/b", "a" * 4_000, ""])
def test_types_that_are_none(filled, media_type):
    """In the header a strange type means no manifest; inside a descriptor it is not stored either."""
    if media_type.isascii() and media_type.isprintable():
        refused(put(filled.address, text(PLAIN | {"mediaType": media_type or 1}).encode(), media_type), REFUSED["type"])
    with Unchanged(filled):
        for path in ("config.mediaType", "layers.0.mediaType"):
            refused(put(filled.address, text(replaced(IMAGE, path, media_type)).encode()), REFUSED["invalid"])


def test_nesting_of_indexes_is_followed_without_recursion(filled):
    """Each level is one push; the server neither recurses nor slows down (security H5)."""
    with Client(filled.address) as client:
        digest = client.push_manifest("json/app", "deep", PLAIN)
        media_type, size = OCI_MANIFEST, len(text(PLAIN))
        for level in range(30):
            data = text(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI_INDEX,
                    "manifests": [{"mediaType": media_type, "digest": digest, "size": size}],
                }
            ).encode()
            began = time.monotonic()
            answer = put(filled.address, data, OCI_INDEX, "deep")
            assert time.monotonic() - began < 2
            if level >= 8 and answer.status == 400:
                refused(answer, REFUSED["invalid"])
                return
            answer.expect(201)
            digest, media_type, size = answer.headers["Docker-Content-Digest"], OCI_INDEX, len(data)


def test_a_large_honest_manifest_is_not_a_bomb(filled):
    """390 annotations of 10 kB, and an index of 10,000 entries that name the same child."""
    notes = {f"org.example.{number}": "x" * 10_000 for number in range(390)}
    put(filled.address, text({**PLAIN, "annotations": notes}).encode(), tag="notes").expect(201)
    entry = {key: INDEX["manifests"][0][key] for key in ("mediaType", "digest", "size")}
    put(filled.address, text({**INDEX, "manifests": [entry] * CHILDREN}).encode(), OCI_INDEX, "wide").expect(201)
