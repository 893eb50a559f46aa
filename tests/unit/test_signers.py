"""Signatures of every vendor, compared with what the vendors' own libraries made of the same input.

sign_vectors.json has their answers. The last figure of a vector's name says which key it is for.
"""

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from dockboard_registry.storage.objects.credentials import Credentials
from dockboard_registry.storage.objects.signers import bos, cos, kodo, oss, sigv4, tempurl
from dockboard_registry.storage.objects.signers.forms import Place, encoded_path
from tests.support import older_signatures as older

GIVEN = json.loads((Path(__file__).parent / "sign_vectors.json").read_text())
NOW, VECTORS = GIVEN["now"], GIVEN["vectors"]
KEYS = Credentials(GIVEN["ak"], GIVEN["sk"])
TEMPORARY = KEYS._replace(token="the token")
TYPE, MD5 = {"Content-Type": "application/octet-stream"}, {"Content-MD5": "XrY7u+Ae7tCTyyK7j1rNww=="}
OSS, REGION = "bkt.oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"
COS, BOS, S3 = "b-1250000000.cos.ap-guangzhou.myqcloud.com", "bj.bcebos.com", "b.s3.eu-west-1.amazonaws.com"
PART = (("partNumber", "2"), ("uploadId", "a/b+c="))
OSS_PART = (("partNumber", "2"), ("uploadId", "A/b+C="), ("uploads", ""))
AS_TYPE = (("response-content-type", "a/b"),)


def url(host: str, key: str, query: str) -> str:
    return f"https://{host}/{encoded_path(key)}?{query}"


def s3_header(key):
    fields = {**TYPE, **MD5, "x-amz-meta-a": "x  y"}
    made = sigv4.signed_fields("PUT", Place(S3, f"/{key}", PART), fields, sigv4.UNSIGNED, KEYS, "eu-west-1", NOW)
    return made["Authorization"]


def s3_presign(key):
    return url(S3, key, sigv4.signed_query("GET", Place(S3, f"/{key}", AS_TYPE), KEYS, "eu-west-1", 600, NOW))


def oss1_header(key):
    fields = {**TYPE, **MD5, "x-oss-forbid-overwrite": "true"}
    return older.oss_fields("PUT", Place(OSS, f"/{key}", OSS_PART), "bkt", fields, KEYS, NOW)["Authorization"]


def oss4_header(key):
    fields = {**TYPE, **MD5, "x-oss-forbid-overwrite": "true"}
    return oss.signed_fields("PUT", Place(OSS, f"/{key}", OSS_PART), "bkt", fields, KEYS, REGION, NOW)["Authorization"]


def oss1_presign(key):
    return url(OSS, key, older.oss_query("GET", Place(OSS, f"/{key}", AS_TYPE), "bkt", KEYS, NOW + 600))


def oss4_presign(key):
    return url(OSS, key, oss.signed_query("GET", Place(OSS, f"/{key}", AS_TYPE), "bkt", KEYS, REGION, 600, NOW))


def cos_header(key):
    fields = {**TYPE, "x-cos-forbid-overwrite": "true"}
    return cos.signed_fields("PUT", Place(COS, f"/{key}", PART), fields, KEYS, NOW)["Authorization"]


def cos_presign(key):
    return url(COS, key, cos.signed_query("GET", Place(COS, f"/{key}", AS_TYPE), KEYS, 600, NOW))


def bos_header(key):
    return bos.signed_fields("PUT", Place(BOS, f"/bucket/{key}", PART), TYPE, 12, KEYS, NOW)["Authorization"]


def bos_presign(key):
    host = f"bucket.{BOS}"
    return url(host, key, bos.signed_query("GET", Place(host, f"/{key}"), KEYS, 600, NOW))


def stat_url(key):
    return f"https://rs.qiniuapi.com/stat/{kodo.entry('b', key)}"


def kodo_mac(key):
    fields = {"Content-Type": "application/x-www-form-urlencoded", "X-Qiniu-Date": "20231114T221320Z"}
    return kodo.request_token("POST", stat_url(key), fields, b"op=1", KEYS)


def kodo_form(key):
    form = "application/x-www-form-urlencoded"
    return older.qbox_token("https://rs.qiniuapi.com/batch", form, b"op=/stat/x", KEYS)


MAKERS = {
    "s3.header": s3_header,
    "s3.presign": s3_presign,
    "oss1.header": oss1_header,
    "oss4.header": oss4_header,
    "oss1.presign": oss1_presign,
    "oss4.presign": oss4_presign,
    "oss2.oss1.presign": oss1_presign,
    "oss2.oss4.presign": oss4_presign,
    "cos.header": cos_header,
    "cos.presign": cos_presign,
    "bos.header": bos_header,
    "bos.presign": bos_presign,
    "kodo.uptoken": lambda key: kodo.upload_token("b", key, KEYS, NOW + 3600, {"insertOnly": 1}),
    "kodo.download": lambda key: kodo.download_url("http://dl.example.com", key, KEYS, NOW + 600),
    "kodo.entry": lambda key: kodo.entry("b", key),
    "kodo.qbox": lambda key: older.qbox_token(stat_url(key), "", b"", KEYS),
    "kodo.qbox.form": kodo_form,
    "kodo.mac": kodo_mac,
}


def comparable(text: str):
    """A URL by its parts and its decoded parameters, any other text as it is."""
    if "://" not in text:
        return text
    parts = urlsplit(text)
    return parts.scheme, parts.netloc, parts.path, sorted(parse_qsl(parts.query, keep_blank_values=True))


@pytest.mark.parametrize("name", VECTORS)
def test_signatures_are_those_of_the_vendors(name):
    kind, _, number = name.rpartition(".")
    assert comparable(MAKERS[kind](GIVEN["keys"][int(number)])) == comparable(VECTORS[name])


def test_there_are_36_vectors():
    assert len(VECTORS) == 36


def test_temporary_credentials_are_signed_too():
    place = Place("host", "/x")
    made = oss.signed_fields("GET", place, "b", {}, TEMPORARY, REGION, NOW)
    assert made["x-oss-security-token"] == "the token"
    assert made["Authorization"] != oss.signed_fields("GET", place, "b", {}, KEYS, REGION, NOW)["Authorization"]
    fields = cos.signed_fields("GET", place, {}, TEMPORARY, NOW)
    assert fields["x-cos-security-token"] == "the token"
    assert "q-header-list=host;x-cos-security-token" in fields["Authorization"]
    assert bos.signed_fields("GET", place, {}, None, TEMPORARY, NOW)["x-bce-security-token"] == "the token"


def test_urls_carry_the_session_token():
    place = Place("host", "/x")
    for query, name in (
        (oss.signed_query("GET", place, "b", TEMPORARY, REGION, 60, NOW), "x-oss-security-token"),
        (cos.signed_query("GET", place, TEMPORARY, 60, NOW), "x-cos-security-token"),
        (bos.signed_query("GET", place, TEMPORARY, 60, NOW), "x-bce-security-token"),
    ):
        assert dict(parse_qsl(query))[name] == "the token"


def test_temporary_urls_of_swift():
    """The signature is what `openssl dgst -sha256 -hmac key` makes of the three lines."""
    made = tempurl.signed_url("https://swift.example", "/v1/AUTH_a/c/é x", "key", 1700000600)
    query = dict(parse_qsl(urlsplit(made).query, keep_blank_values=True))
    assert urlsplit(made).path == "/v1/AUTH_a/c/%C3%A9%20x"
    assert (query["temp_url_expires"], query["inline"]) == ("1700000600", "")
    assert query["temp_url_sig"] == "b4fe4e70b39513633ec0f158d23f92dc9f6534038b038a62588c8683316a6fe2"
