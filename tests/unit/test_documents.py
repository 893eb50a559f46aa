"""Manifests as they are read: every refusal, nothing that two readers could take for two
things, and limits that hold.
"""

import json

import pytest

from dockboard_registry.domain.content.documents import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    parse,
)
from dockboard_registry.errors import ManifestInvalid

DIGEST = "sha256:" + "0" * 64
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 2}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha512:" + "1" * 128, "size": 0}
CHILD = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 9}
IMAGE = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
INDEX = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [CHILD]}


def read(document: object, content_type: str = ""):
    return parse(json.dumps(document).encode(), content_type)


def refusal(document: object, content_type: str = "") -> str:
    """The words with which a document is refused; bytes are taken as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(ManifestInvalid) as refused:
        parse(body, content_type)
    assert refused.value.status == 400
    assert refused.value.next
    return refused.value.cause


def changed(document: dict, **fields: object) -> dict:
    """The document with these fields; those that are `...` are taken out."""
    return {key: value for key, value in {**document, **fields}.items() if value is not ...}


def test_an_image():
    found = read(IMAGE)
    assert found.media_type == OCI_MANIFEST
    assert found.blobs == [
        Descriptor(DIGEST, 2, CONFIG["mediaType"], True),
        Descriptor(LAYER["digest"], 0, LAYER["mediaType"], True),
    ]
    assert (found.children, found.subject, found.annotations) == ([], None, None)


def test_an_index():
    found = read(changed(INDEX, manifests=[CHILD, {**CHILD, "platform": {"os": "linux"}}]))
    assert found.media_type == OCI_INDEX
    assert found.children == [Descriptor(DIGEST, 9, OCI_MANIFEST, True)] * 2
    assert (found.blobs, found.artifact_type) == ([], None)


@pytest.mark.parametrize(("own", "document"), [(DOCKER_MANIFEST, IMAGE), (DOCKER_LIST, INDEX)])
def test_dockers_types(own, document):
    assert read(changed(document, mediaType=own), own).media_type == own


@pytest.mark.parametrize("document", [IMAGE, INDEX])
def test_the_type_comes_from_either_place(document):
    own = document["mediaType"]
    bare = changed(document, mediaType=...)
    assert read(bare, own).media_type == own
    assert read(bare, f"{own}; charset=utf-8").media_type == own
    assert read(document, "").media_type == own
    assert read(changed(document, mediaType=""), own).media_type == own
    assert "neither" in refusal(bare)
    assert "not a manifest" in refusal(bare, "application/json")


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        (IMAGE, OCI_INDEX),
        (INDEX, OCI_MANIFEST),
        (IMAGE, DOCKER_MANIFEST),
        (INDEX, DOCKER_LIST),
        (IMAGE, "application/json"),
        (IMAGE, OCI_MANIFEST + "x"),
        (IMAGE, OCI_MANIFEST.upper()),
    ],
)
def test_header_and_document_have_to_agree(document, content_type):
    """CVE-2021-41190: one body, read as an image by one client and as an index by another."""
    assert "mediaType" in refusal(document, content_type)


@pytest.mark.parametrize(
    "document",
    [
        changed(IMAGE, manifests=[CHILD]),
        changed(IMAGE, manifests=[]),
        changed(INDEX, layers=[LAYER]),
        changed(INDEX, layers=[]),
        changed(INDEX, config=CONFIG),
        {**IMAGE, **INDEX},
    ],
)
@pytest.mark.parametrize("typed", [True, False])
def test_fields_of_both_kinds_are_refused(document, typed):
    own = document["mediaType"]
    if not typed:
        document = changed(document, mediaType=...)
    assert "mixes" in refusal(document, own)


@pytest.mark.parametrize(
    "body",
    [
        b'{"schemaVersion":2,"mediaType":"%s","mediaType":"%s"}' % (OCI_MANIFEST.encode(), OCI_INDEX.encode()),
        json.dumps(IMAGE).replace('"layers"', '"layers": [], "layers"').encode(),
        json.dumps(IMAGE).replace('"size": 2', '"size": 2, "size": 3').encode(),
        json.dumps(changed(IMAGE, other={"a": 1})).replace('"a": 1', '"a": 1, "\\u0061": 2').encode(),
    ],
)
def test_a_key_twice_is_refused(body):
    assert "same key twice" in refusal(body)


def test_a_key_that_only_differs_in_case_is_refused():
    """Go's encoding/json takes `Manifests` (and `manife\u017fts`) for `manifests`, and so do docker, containerd and
    crane.
    """
    other = {
        "mediatype": OCI_INDEX,
        "Config": LAYER,
        "LAYERS": [],
        "Manifests": [CHILD],
        "manife\u017fts": [CHILD],
        "Subject": CHILD,
        "SchemaVersion": 1,
    }
    taken = [key for document in (IMAGE, INDEX) for key, value in other.items() if is_read({**document, key: value})]
    assert taken == []


def test_a_descriptors_key_that_only_differs_in_case_is_refused():
    other = {"Digest": "sha256:" + "f" * 64, "SIZE": 7, "MediaType": OCI_INDEX}
    assert [key for key, value in other.items() if is_read(changed(IMAGE, layers=[{**LAYER, key: value}]))] == []


def is_read(document: dict) -> bool:
    try:
        read(document)
    except ManifestInvalid:
        return False
    return True


@pytest.mark.parametrize("version", [..., None, 1, 3, "2", 2.0, True, [2]])
@pytest.mark.parametrize("document", [IMAGE, INDEX])
def test_the_schema_version_is_two(document, version):
    assert "schemaVersion" in refusal(changed(document, schemaVersion=version))


def test_dockers_schema_1_is_refused():
    document = {"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": [], "signatures": []}
    refusal(document, "application/vnd.docker.distribution.manifest.v1+prettyjws")
    refusal(document, OCI_MANIFEST)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"2",
        b"{}x",
        b"{} {}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"// x\n{}",
    ],
)
def test_what_is_no_object_of_json_is_refused(body):
    refusal(body, OCI_MANIFEST)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '{"\\ud800": 1}',
        "1" * 5000,
        "01",
        "+1",
        ".5",
        "0x1",
        "tru",
        '"\n"',
        '"\x01"',
    ],
)
def test_values_that_readers_disagree_about_are_refused(text):
    refusal(json.dumps(changed(IMAGE, other="@")).replace('"@"', text).encode())


def test_text_outside_the_basic_plane_is_fine():
    found = read(changed(IMAGE, annotations={"emoji": "\U0001f4a9", "é": "\u2028"}))
    assert found.annotations == {"emoji": "\U0001f4a9", "é": "\u2028"}


@pytest.mark.parametrize("config", [..., None, [], "x", DIGEST, {}, [CONFIG]])
def test_an_image_needs_a_config(config):
    assert "config" in refusal(changed(IMAGE, config=config))


@pytest.mark.parametrize(("document", "key"), [(IMAGE, "layers"), (INDEX, "manifests")])
def test_lists_are_lists_of_descriptors(document, key):
    for value in ({}, "x", 1, [None], [[]], ["x"], [{}], [DIGEST]):
        assert key in refusal(changed(document, **{key: value}))
    read(changed(document, **{key: []}))


@pytest.mark.parametrize(("document", "key"), [(IMAGE, "layers"), (INDEX, "manifests")])
def test_a_list_that_is_null_or_absent_is_empty(document, key):
    """docker pushes an image without layers as `"layers": null`."""
    for value in (None, ...):
        found = read(changed(document, **{key: value}), document["mediaType"])
        assert found.children == [] and len(found.blobs) == (1 if key == "layers" else 0)


@pytest.mark.parametrize(
    ("document", "fields"), [(IMAGE, {"manifests": None}), (INDEX, {"layers": None, "config": None})]
)
def test_a_null_of_the_other_kind_says_nothing(document, fields):
    assert read(changed(document, **fields)) == read(document)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (
            "digest",
            [
                ...,
                None,
                1,
                "",
                "x",
                DIGEST[:-1],
                DIGEST + "0",
                DIGEST + "\n",
                DIGEST.upper(),
                "md5:" + "0" * 32,
                [DIGEST],
                "sha256:" + "٣" * 64,
            ],
        ),
        ("size", [..., None, "1", 1.0, -1, True, 2**63, 10**30, [], {}]),
        ("mediaType", [..., None, 1, "", " ", "a/b\n", [], "a" * 256]),
        ("annotations", ["x", [], {"a": None}, {"a": True}, {"a": ["b"]}, {"a": {"b": "c"}}]),
        ("urls", ["x", {}, [1], [None], 1]),
    ],
)
@pytest.mark.parametrize("place", ["config", "layers", "manifests", "subject"])
def test_descriptors(place, field, values):
    for value in values:
        wrong = changed(CONFIG, **{field: value})
        if place == "manifests":
            refusal(changed(INDEX, manifests=[CHILD, wrong]))
        else:
            refusal(changed(IMAGE, **{place: [LAYER, wrong] if place == "layers" else wrong}))


@pytest.mark.parametrize("size", [0, 1, 2**53 + 1, 2**63 - 1])
def test_sizes_are_exact(size):
    assert read(changed(IMAGE, config={**CONFIG, "size": size})).blobs[0].size == size


@pytest.mark.parametrize(
    "media_type",
    ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
     "application/vnd.oci.image.layer.nondistributable.v1.tar",
     "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"],
)  # fmt: skip
def test_foreign_layers_need_not_be_there(media_type):
    layer = {**LAYER, "mediaType": media_type, "urls": ["https://example.com/x"]}
    assert [blob.required for blob in read(changed(IMAGE, layers=[LAYER, layer])).blobs] == [True, True, False]


def test_urls_alone_make_no_layer_foreign():
    assert all(
        blob.required for blob in read(changed(IMAGE, layers=[{**LAYER, "urls": ["https://example.com/x"]}])).blobs
    )


@pytest.mark.parametrize("subject", [[], "x", DIGEST, 1, True, {}, {"digest": DIGEST}])
@pytest.mark.parametrize("document", [IMAGE, INDEX])
def test_a_subject_is_a_descriptor(document, subject):
    assert "subject" in refusal(changed(document, subject=subject))
    assert read(changed(document, subject=CHILD)).subject == DIGEST
    assert read(changed(document, subject=None)).subject is None


def test_the_artifact_type_is_its_own_or_the_configs():
    assert read(IMAGE).artifact_type == CONFIG["mediaType"]
    assert read(changed(IMAGE, artifactType="")).artifact_type == CONFIG["mediaType"]
    assert read(changed(IMAGE, artifactType="a/b")).artifact_type == "a/b"
    assert read(INDEX).artifact_type is None
    assert read(changed(INDEX, artifactType="a/b")).artifact_type == "a/b"


@pytest.mark.parametrize("artifact_type", [1, [], {}, " ", "a/b\n", "x" * 300 + "/y"])
@pytest.mark.parametrize("document", [IMAGE, INDEX])
def test_an_artifact_type_is_a_media_type(document, artifact_type):
    refusal(changed(document, artifactType=artifact_type))


@pytest.mark.parametrize("annotations", [[], "x", 1, {"a": True}, {"a": None}, {"a": ["b"]}, {"a": {"b": "c"}}])
def test_annotations_are_text(annotations):
    assert "annotation" in refusal(changed(IMAGE, annotations=annotations))
    assert read(changed(IMAGE, annotations={})).annotations == {}


def test_numbers_in_annotations_are_stored_in_every_place_and_read_as_text():
    numbers = {"a": 1, "b": -2.5, "c": "3", "d": 2**70}
    annotated = [{**entry, "annotations": numbers} for entry in (CONFIG, LAYER, CHILD)]
    read(changed(IMAGE, config=annotated[0], layers=[annotated[1]], subject=annotated[2]))
    read(changed(INDEX, manifests=[annotated[2]]))
    assert read(changed(IMAGE, annotations=numbers)).annotations == {"a": "1", "b": "-2.5", "c": "3", "d": str(2**70)}


@pytest.mark.parametrize(
    "media_type",
    ["sometype", "text/plain; charset=utf-8", "application/vnd.example+json;version=0.2", "spdx", "a/b/c", "x" * 255],
)
def test_media_types_that_other_registries_store(media_type):
    """`oras push x:v1 a.txt:sometype`, cosign's `spdx`, and types with parameters."""
    typed = {**LAYER, "mediaType": media_type}
    found = read(changed(IMAGE, config={**CONFIG, "mediaType": media_type}, layers=[typed], subject=typed))
    assert [entry.media_type for entry in found.blobs] == [media_type] * 2
    assert found.artifact_type == media_type
    assert read(changed(INDEX, manifests=[typed], artifactType=media_type)).artifact_type == media_type


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda layers: layers[17].update(mediaType="text/\n"), "layers[17].mediaType: 'text/\\n'"),
        (lambda layers: layers[17].update(mediaType=3), "layers[17].mediaType: has to be a media type, not 3"),
        (lambda layers: layers[3].update(size="12"), "layers[3].size: has to be a whole number of bytes, not '12'"),
        (lambda layers: layers[19].update(digest="sha256:abc"), "layers[19].digest: 'sha256:abc'"),
        (
            lambda layers: layers[0].update(annotations={"x": []}),
            "layers[0].annotations['x']: has to be a string or a number, not a list",
        ),
        (lambda layers: layers[0].update(Size=3), "layers[0] has the key 'Size'"),
        (lambda layers: layers.append(None), "layers[20]: has to be an object, not null"),
    ],
)
def test_an_error_names_the_culprit(change, named):
    layers = [dict(LAYER) for _ in range(20)]
    change(layers)
    assert refusal(changed(IMAGE, layers=layers)).startswith(named)


def test_a_value_in_an_error_is_cut():
    for wrong in (
        {"mediaType": "\n" * 100_000},
        {"digest": "\u202e" * 100_000},
        {"size": "9" * 100_000},
        {"annotations": {"k" * 100_000: None}},
    ):
        assert len(refusal(changed(IMAGE, layers=[{**LAYER, **wrong}]))) < 1000


def test_unknown_fields_are_left_alone():
    assert read(changed(IMAGE, org={"anything": [1, None, {"x": 2.5}]}, data="x")).media_type == OCI_MANIFEST
