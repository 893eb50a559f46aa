"""What is read of artifacts that are no images: bytes that nobody has checked."""

import json

import pytest

from dockboard_registry.domain.inspection import artifacts
from dockboard_registry.domain.inspection.manifest_content import Layer, ManifestContent

HELM = "application/vnd.cncf.helm.config.v1+json"


def chart(config: bytes) -> dict[str, tuple[str, ...]]:
    blob = Layer("sha256:" + "1" * 64, len(config), HELM)
    return dict(artifacts.read(ManifestContent("chart", "", HELM, blob), {blob.digest: config}).chart)


def test_facts_of_a_chart():
    fields = {
        "name": "web",
        "version": "1.4.2",
        "appVersion": 2.8,
        "deprecated": True,
        "keywords": ["shop", 7, None],
        "maintainers": [{"name": "mei", "email": "mei@e.example"}, {"name": "bob"}, "x"],
        "dependencies": [{"name": "redis", "version": "^18", "repository": "oci://e.example/charts"}],
        "icon": "https://e.example/x.png",
    }
    assert chart(json.dumps(fields).encode()) == {
        "name": ("web",),
        "version": ("1.4.2",),
        "appVersion": ("2.8",),
        "deprecated": ("true",),
        "keywords": ("shop", "7"),
        "maintainers": ("mei <mei@e.example>", "bob"),
        "dependencies": ("redis ^18 oci://e.example/charts",),
    }


@pytest.mark.parametrize("config", [b"", b"[]", b"\xff", b"[" * 9999, b'{"name": {}, "keywords": "x"}'])
def test_a_chart_that_tells_nothing(config):
    assert chart(config) == {}


def test_short_files_that_are_text():
    sizes = {b"plain\n": "plain\n", b"\x1f\x8b\x08": "", "字".encode(): "字", b"a\0b": ""}
    files = [Layer(f"sha256:{at:064x}", len(data), "text/plain", f"{at}.txt") for at, data in enumerate(sizes)]
    long = Layer("sha256:" + "f" * 64, artifacts.LONGEST + 1, "text/plain")
    content = ManifestContent("artifact", "", "x/y", Layer("e", 2, "application/vnd.oci.empty.v1+json"), (*files, long))
    assert artifacts.looked_into(content) == files
    found = artifacts.read(content, dict(zip([file.digest for file in files], sizes)))
    assert [(each.file.title, each.text) for each in found.texts] == [("0.txt", "plain\n"), ("2.txt", "字")]
