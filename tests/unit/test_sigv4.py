"""Signatures of S3, compared with what AWS's own library made of the same input."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from dockboard_registry.storage.objects.credentials import Credentials
from dockboard_registry.storage.objects.signers.forms import Place, encoded_path
from dockboard_registry.storage.objects.signers.sigv4 import UNSIGNED, signed_fields, signed_query

NOW = 1700000000
KEYS = Credentials("AKIDexample", "secretKeyExample/+=x")
HOST, REGION = "b.s3.eu-west-1.amazonaws.com", "eu-west-1"
PLAIN, ODD = "docker/registry/v2/blobs/sha256/ab/abcdef/data", "odd/spa ce+é~!'()*&=%25.x"
CREDENTIAL = "AKIDexample/20231114/eu-west-1/s3/aws4_request"
NAMES = "content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a"


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        (PLAIN, "8181925710906734731cb236816f072dc2e6d100f5fc507e80550bb771e7e25b"),
        (ODD, "d6c96a5985dc3b7b0c074e009ca445210b9208189acdb1a3c0e33e0fcac7bbe6"),
    ],
)
def test_fields_are_signed_as_aws_does(key, signature):
    place = Place(HOST, f"/{key}", (("partNumber", "2"), ("uploadId", "a/b+c=")))
    given = {
        "Content-Type": "application/octet-stream",
        "Content-MD5": "XrY7u+Ae7tCTyyK7j1rNww==",
        "x-amz-meta-a": "x  y",
    }
    made = signed_fields("PUT", place, given, UNSIGNED, KEYS, REGION, NOW)
    assert made["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders={NAMES}, Signature={signature}"
    )
    assert made["x-amz-date"] == "20231114T221320Z"


@pytest.mark.parametrize(
    ("key", "signature", "path"),
    [
        (PLAIN, "1acf4c96c14c1e9b7542c8a5285a457e6c2e4e3e2e213d9ec49ed0ba368d2559", f"/{PLAIN}"),
        (
            ODD,
            "08a8d1d9665b820a19b3b102f58a660d789ee602d52cf73aee56a6e3b580c201",
            "/odd/spa%20ce%2B%C3%A9~%21%27%28%29%2A%26%3D%2525.x",
        ),
    ],
)
def test_urls_are_signed_as_aws_does(key, signature, path):
    place = Place(HOST, f"/{key}", (("response-content-type", "a/b"),))
    query = dict(parse_qsl(signed_query("GET", place, KEYS, REGION, 600, NOW)))
    assert encoded_path(place.path) == path
    assert query["X-Amz-Signature"] == signature
    assert (query["X-Amz-Credential"], query["X-Amz-Expires"]) == (CREDENTIAL, "600")


def test_temporary_credentials_are_signed_too():
    token = Credentials("AKIDexample", "secret", "the token")
    place = Place(HOST, "/x")
    made = signed_fields("GET", place, {}, UNSIGNED, token, REGION, NOW)
    assert made["x-amz-security-token"] == "the token"
    assert "x-amz-security-token" in made["Authorization"]
    assert dict(parse_qsl(signed_query("GET", place, token, REGION, 60, NOW)))["X-Amz-Security-Token"] == "the token"


def test_a_query_is_sorted_by_its_names_and_not_by_whole_pairs():
    place = Place(HOST, "/x", (("a-b", "1"), ("a", "2")))
    assert urlsplit("?" + signed_query("GET", place, KEYS, REGION, 60, NOW)).query.index("a=2") < signed_query(
        "GET", place, KEYS, REGION, 60, NOW
    ).index("a-b=1")


def test_credentials_are_not_shown_where_an_object_is():
    assert "secretKeyExample" not in repr(KEYS) and "secretKeyExample" not in str(KEYS)
