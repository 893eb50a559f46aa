"""Names: what the grammars take and refuse, at once however long the text is."""

import hashlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockboard_registry import names
from dockboard_registry.errors import DigestInvalid, ManifestInvalid, NameInvalid, TagInvalid
from dockboard_registry.names import Reference

SHA256 = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8
LONG = 64 << 10
PARSERS = [names.repository_name, names.tag, names.digest, names.algorithm, names.media_type, Reference.parse]
REFUSALS = (NameInvalid, TagInvalid, DigestInvalid, ManifestInvalid)
EXAMPLES = {
    names.repository_name: "a/b",
    names.tag: "v1",
    names.digest: SHA256,
    names.algorithm: "sha256",
    names.media_type: "a/b",
}
WORD = st.text("az09", min_size=1, max_size=5)
PART = st.tuples(
    WORD,
    st.lists(st.tuples(st.sampled_from([".", "_", "__", "-", "-----"]), WORD).map("".join), max_size=3).map("".join),
).map("".join)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "0",
        "a/b",
        "library/nginx",
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a---b",
        "a/b/c/d/e/f",
        "blobs",
        "manifests/tags",
        "a" * 255,
        "a/" * 127 + "a",
    ],
)
def test_repository_names(name):
    assert names.repository_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "A", "a/B", "/a", "a/", "a//b", ".a", "a.", "_a", "a_", "-a", "a-", "a..b", "a___b", "a._b", "a.-b", "a/./b",
     "a/../b", "..", "a b", "a:b",
     "a@b", "a%2Fb", "a\\b", "ä", "a\x00", "a\n", "\na", "a\r\nb", "a" * 256, "a/" * 128, "٣", "a٣", "ａ", "ⅷ", "a​b"],
)  # fmt: skip
def test_what_is_no_repository_name(name):
    with pytest.raises(NameInvalid):
        names.repository_name(name)


@given(st.lists(PART, min_size=1, max_size=12))
def test_every_path_of_parts_is_a_name_up_to_its_length(parts):
    name = "/".join(parts)
    if len(name) <= 255:
        assert names.repository_name(name) == name
    else:
        with pytest.raises(NameInvalid):
            names.repository_name(name)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_refused(text):
    try:
        found = names.repository_name(text)
    except NameInvalid:
        return
    assert found == text
    assert re.fullmatch(r"[a-z0-9]([a-z0-9._/-]*[a-z0-9])?", text)
    assert not re.search(r"//|\.\.|[._-]/|/[._-]", text)


@pytest.mark.parametrize(
    "tag", ["a", "_", "0", "A", "v1.0.0", "latest", "_a-b.c", "a" * 128, "sha256-" + "0" * 64, "manifests", "list"]
)
def test_tags(tag):
    assert names.tag(tag) == tag
    assert Reference.parse(tag) == (tag, None)


@pytest.mark.parametrize(
    "tag", ["", ".", ".a", "-a", "a" * 129, "a b", "a/b", "a:b", "a+b", "ä", "a\n", "a\x00", "٣", "%61", "a@b"]
)
def test_what_is_no_tag(tag):
    with pytest.raises(TagInvalid):
        names.tag(tag)


@given(st.text(min_size=1, max_size=20))
def test_any_text_is_a_tag_or_refused(text):
    try:
        assert names.tag(text) == text
    except TagInvalid:
        assert not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", text) or text.endswith("\n")
    else:
        assert text.isascii()


@pytest.mark.parametrize("digest", [SHA256, SHA512])
def test_digests(digest):
    assert names.digest(digest) == digest
    assert names.is_digest(digest)
    assert Reference.parse(digest) == (None, digest)
    assert names.algorithm_of(digest) == digest[:6]


@pytest.mark.parametrize(
    "digest",
    ["", ":", "sha256:", SHA256[:-1], SHA256 + "0", SHA256.upper(), "SHA256" + SHA256[6:], SHA256[:-1] + "A",
     SHA256[:-1] + "g", SHA256[:-1] + "\n",
     SHA256 + "\n", " " + SHA256, SHA256[:-1] + "٣", SHA256[:-1] + "/", SHA512[:-1], "sha512" + SHA256[6:],
     "sha256" + SHA512[6:], "sha384:" + "0" * 96,
     "sha1:" + "0" * 40, "md5:" + "0" * 32, "sha256-" + "0" * 64, "sha256:../../" + "0" * 58, "sha256::" + "0" * 63,
     "sha256+b64:" + "0" * 64],
)  # fmt: skip
def test_what_is_no_digest(digest):
    assert not names.is_digest(digest)
    with pytest.raises(DigestInvalid):
        names.digest(digest)
    if ":" in digest:
        with pytest.raises(DigestInvalid):
            Reference.parse(digest)


@pytest.mark.parametrize("value", [None, 1, b"sha256:", [], {}, [SHA256]])
def test_only_text_is_a_digest(value):
    assert not names.is_digest(value)


@pytest.mark.parametrize("name", ["sha1", "SHA256", "", "sha256\n", "md5", "shake_128", "sha384", "sha256 "])
def test_only_two_algorithms(name):
    with pytest.raises(DigestInvalid):
        names.algorithm(name)


@given(st.sampled_from(names.ALGORITHMS), st.binary())
def test_the_digest_of_bytes(algorithm, data):
    found = names.digest_of(names.algorithm(algorithm), data)
    assert names.digest(found) == f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "application/json",
            "application/vnd.oci.image.manifest.v1+json",
            "text/x-a.b+c",
            "a/b",
            "x" * 127 + "/" + "y" * 127,
        ),
        *(
            "text/plain; charset=utf-8",
            "application/vnd.example+json;version=0.2",
            'a/b; c="d e"',
            "sometype",
            "a/b/c",
            "-a/b",
            "ä/b",
            "x" * 255,
        ),
    ],
)
def test_media_types(text):
    assert names.media_type(text) == text


@pytest.mark.parametrize(
    "text", ["", " ", " a/b", "a/b ", "a/b\n", "a\r\nb", "x" * 256, "a/b\x00", "a\x1b/b", "a/\u202eb", "a/\ud800"]
)
def test_what_is_no_media_type(text):
    with pytest.raises(ManifestInvalid):
        names.media_type(text)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__qualname__)
def test_a_newline_at_the_end_is_refused(parse):
    text = EXAMPLES.get(parse, "v1")
    parse(text)
    for end in ("\n", "\r", "\r\n", "\u2028", "\x0b", "\x85", " "):
        with pytest.raises(REFUSALS):
            parse(text + end)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__qualname__)
@pytest.mark.parametrize(
    "piece", ["a", "a-", "a_", "a__", "a.", "a/", "a/a-", "-", "_", "0", "a/a__a.a-", "sha256:0", ":", "é", "\n", "a!"]
)
def test_very_long_text_is_refused_at_once(parse, piece):
    text = piece * (LONG // len(piece))
    for end in ("", "!", "\n", "a", "A"):
        begun = time.perf_counter()
        with pytest.raises(REFUSALS):
            parse(text + end)
        assert time.perf_counter() - begun < 0.1


def test_tags_are_sorted_as_people_expect():
    wanted = ["1.9", "1.10", "2-rc1", "v2.0", "2.1", "10", "latest", "pr-9", "PR-10", "x" * 128]
    assert sorted(reversed(wanted), key=names.sort_key) == wanted
    assert names.sort_key("v2") == names.sort_key("2") == names.sort_key("02")
    assert names.sort_key("version") == "version"
    assert len(names.sort_key("1a" * 64)) == 160
