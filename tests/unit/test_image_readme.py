"""READMEs that images bring along: which file of an artifact it is, and texts inside of labels."""

import base64

import pytest

from dockboard_registry.domain.inspection import image_readme
from dockboard_registry.domain.inspection.image_readme import ImageReadme
from dockboard_registry.domain.inspection.manifest_content import Layer, ManifestContent
from dockboard_registry.domain.social.readmes import MOST_BYTES

URL, DOCUMENTATION = "io.artifacthub.package.readme-url", "org.opencontainers.image.documentation"


def chosen(*layers: Layer) -> str | None:
    return image_readme.blob_of(ManifestContent("artifact", "", layers=layers))


def test_the_file_with_the_text():
    data, plain = Layer("1", 9, "application/octet-stream"), Layer("2", 9, "text/plain")
    markdown, titled = Layer("3", 9, "text/markdown"), Layer("4", 9, "application/octet-stream", "README.md")
    assert chosen(data, plain, markdown, titled) == "3"
    assert chosen(data, plain, titled) == "4"
    assert chosen(data, plain) == "2" and chosen(data) == "1" and chosen() is None
    assert chosen(Layer("5", MOST_BYTES + 1, "text/markdown"), plain) == "2"


@pytest.mark.parametrize("data", [b"", b" \n", b"\xff", b"a\0b"])
def test_bytes_that_are_no_readme(data):
    assert image_readme.text_of(data) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("data:text/markdown,%23%20App%0A", "# App\n"),
        ("data:text/markdown;charset=utf-8;base64," + base64.b64encode("# 应用".encode()).decode(), "# 应用"),
        ("DATA:text/plain,it%20works", "it works"),
    ],
)
def test_a_text_inside_of_a_label(value, text):
    assert image_readme.of_labels({DOCUMENTATION: value}) == ImageReadme(text, label=DOCUMENTATION)
    assert image_readme.of_labels({DOCUMENTATION: "data:text/plain,x", URL: value}) == ImageReadme(text, label=URL)


@pytest.mark.parametrize(
    "value",
    [
        "https://docs.e.example/README.md",
        "data:text/html,<b>x</b>",
        "data:text/plain",
        "data:text/plain;base64,?",
        "data:text/plain," + "a" * 4096,
        "",
    ],
)
def test_labels_without_a_text_inside(value):
    assert image_readme.of_labels({URL: value}) is None
