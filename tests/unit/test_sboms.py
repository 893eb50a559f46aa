"""SBOMs: the packages that they name, and what differs between two."""

import json

import pytest

from dockboard_registry.domain.content.json_limits import MOST_VALUES
from dockboard_registry.domain.inspection import sboms
from dockboard_registry.domain.inspection.attached import Attached
from dockboard_registry.domain.inspection.manifest_content import Layer, ManifestContent


def read(document: object) -> dict | None:
    found = sboms.read(json.dumps(document).encode())
    return None if found is None else dict(found)


def spdx(*packages: tuple[str, str], **more) -> dict:
    entries = [{"SPDXID": f"SPDXRef-{name}", "name": name, "versionInfo": version} for name, version in packages]
    return {"spdxVersion": "SPDX-2.3", "packages": entries, **more}


def cyclonedx(*packages: tuple[str, str]) -> dict:
    components = [{"type": "library", "name": name, "version": version} for name, version in packages]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components}


def test_packages_of_spdx_without_the_image_itself():
    about = {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-app"}
    packages = (("app", "sha256:1"), ("zlib", "1.3"), ("zlib", "1.2"), ("libc", ""))
    expected = {"zlib": ("1.2", "1.3"), "libc": ()}
    assert read(spdx(*packages, relationships=[about])) == expected
    assert read(spdx(*packages, documentDescribes=["SPDXRef-app"])) == expected
    statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicate": spdx(*packages, relationships=[about])}
    assert read(statement) == expected


def test_packages_of_cyclonedx():
    document = cyclonedx(("zlib", "1.3"))
    document["components"] += [
        {"type": "file", "name": "/etc/passwd"},
        {"type": "library", "group": "org.acme", "name": "web", "version": 2, "components": [{"name": "inner"}]},
    ]
    assert read(document) == {"zlib": ("1.3",), "org.acme/web": ("2",), "inner": ()}


@pytest.mark.parametrize(
    "document", [[], {}, 1, {"spdxVersion": "SPDX-3.0"}, {"bomFormat": "other", "components": []}, {"predicate": []}]
)
def test_documents_that_are_no_sbom_known_here(document):
    assert read(document) is None


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 99999, b'{"bomFormat": "CycloneDX"}' + b" " * sboms.LONGEST])
def test_bytes_that_are_no_sbom(data):
    assert sboms.read(data) is None


def test_odd_entries_are_left_out_and_many_are_cut():
    assert read({"bomFormat": "CycloneDX", "components": [1, {"name": {}}, {"name": "a", "version": []}]}) == {"a": ()}
    many = read(cyclonedx(*((f"p{number}", "1") for number in range(sboms.MOST_PACKAGES + 5))))
    assert len(many) == sboms.MOST_PACKAGES
    nested: dict = {"name": "deep"}
    for _ in range(20):
        nested = {"name": "c", "components": [nested]}
    assert read({"bomFormat": "CycloneDX", "components": [nested]}) == {"c": ()}


def test_what_differs():
    before = {"a": ("1",), "b": ("1",), "c": ("1", "2"), "same": ("1",)}
    after = {"b": ("2",), "c": ("2",), "d": (), "same": ("1",)}
    found = sboms.compare(before, after)
    assert found.shown == [
        ("removed", "a", "1", None),
        ("changed", "b", "1", "2"),
        ("changed", "c", "1, 2", "2"),
        ("added", "d", None, ""),
    ]
    assert (found.same, found.omitted) == (1, 0)
    many = sboms.compare({}, {f"p{number}": ("1",) for number in range(sboms.MOST_SHOWN + 3)})
    assert (len(many.shown), many.omitted) == (sboms.MOST_SHOWN, 3)


def test_where_the_sbom_of_an_image_is_looked_for():
    def attached(kind: str, to: str, digest: str) -> Attached:
        return Attached(kind, "", to, digest, 1, 1)

    found = [
        attached("sbom", "index", "1"),
        attached("attestation", "image", "2"),
        attached("sbom", "other", "3"),
        attached("signature", "image", "4"),
        attached("sbom", "image", "5"),
    ]
    assert [each.digest for each in sboms.candidates(found, "image", "index")] == ["5", "2", "1"]
    assert len(sboms.candidates(found * 9, "image", "index")) == sboms.MOST_LOOKED_INTO


def test_the_file_that_is_the_sbom():
    provenance = Layer("1", 9, "application/vnd.in-toto+json", predicate="https://slsa.dev/provenance/v0.2")
    spdx_file = Layer("2", 9, "application/vnd.in-toto+json", predicate="https://spdx.dev/Document")
    plain, long = Layer("3", 9, "application/octet-stream"), Layer("4", sboms.LONGEST + 1, "text/spdx+json")
    assert sboms.file_of(ManifestContent("attestation", "", layers=(provenance, spdx_file))) == spdx_file
    assert sboms.file_of(ManifestContent("sbom", "", layers=(plain,))) == plain
    for content in (
        ManifestContent("attestation", "", layers=(provenance,)),
        ManifestContent("sbom", "", layers=(long,)),
    ):
        assert sboms.file_of(content) is None
    assert sboms.file_of(ManifestContent("sbom", "")) is None


def test_thousands_of_versions_of_one_package_make_no_long_page():
    many = read(spdx(*(("zlib", f"{number:0200}") for number in range(3000))))
    (found,) = sboms.compare(many, {}).shown
    assert len(found.before) < 2000 and found.before.endswith(", …") and found.after is None
    (found,) = sboms.compare({"zlib": ("1.2", "1.3")}, {"zlib": ("1.3",)}).shown
    assert (found.before, found.after) == ("1.2, 1.3", "1.3")


def test_a_document_of_many_small_values_is_not_read():
    """The reader of JSON would hold up everybody for as long as it takes."""
    for number, known in ((MOST_VALUES // 2 - 10, True), (MOST_VALUES // 2 + 10, False)):
        data = b'{"spdxVersion": "SPDX-2.3", "packages": [' + b"[]," * number + b"[]]}"
        assert len(data) < sboms.LONGEST and (sboms.read(data) is not None) == known
