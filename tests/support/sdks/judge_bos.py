"""Baidu's own library judges our double: `python judge_bos.py ENDPOINT BUCKET REGION KEY SECRET`."""

import base64
import hashlib
import io
import sys
import urllib.error
import urllib.request

from baidubce.auth.bce_credentials import BceCredentials
from baidubce.bce_client_configuration import BceClientConfiguration
from baidubce.exception import BceHttpClientError, BceServerError
from baidubce.retry.retry_policy import NoRetryPolicy
from baidubce.services.bos.bos_client import BosClient

endpoint, bucket, _, key, secret = sys.argv[1:]


def opened(secret: str) -> BosClient:
    keys = BceCredentials(key, secret)
    return BosClient(BceClientConfiguration(keys, endpoint, retry_policy=NoRetryPolicy(), cname_enabled=True))


def code_of(function, *arguments, **named) -> str:
    try:
        function(*arguments, **named)
    except BceHttpClientError as error:
        last = error.last_error
        return last.code if isinstance(last, BceServerError) else repr(last)
    return ""


client = opened(secret)
name, data = "a dir/é+ %&.bin", bytes(range(256)) * 2048
md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
client.put_object(bucket, name, data, len(data), md5)
assert client.get_object_as_string(bucket, name) == data
assert client.get_object_as_string(bucket, name, range=[5, 9]) == data[5:10]
assert int(client.get_object_meta_data(bucket, name).metadata.content_length) == len(data)
assert code_of(client.put_object, bucket, name, b"x", 1, md5) == "InvalidDigest"
assert code_of(client.get_object_as_string, bucket, "missing") == "NoSuchKey"
assert code_of(opened("wrong").get_object_as_string, bucket, name) == "SignatureDoesNotMatch"


def uploaded(name: str, piece: bytes) -> tuple[str, list[dict]]:
    upload = client.initiate_multipart_upload(bucket, name).upload_id
    parts = []
    for number in (1, 2):
        md5 = base64.b64encode(hashlib.md5(piece).digest()).decode()
        made = client.upload_part(bucket, name, upload, number, len(piece), io.BytesIO(piece), part_md5=md5)
        parts.append({"partNumber": number, "eTag": made.metadata.etag})
    return upload, parts


upload, parts = uploaded("large", data)
assert [each.key for each in client.list_multipart_uploads(bucket).uploads] == ["large"]
client.complete_multipart_upload(bucket, "large", upload, parts)
assert client.get_object_as_string(bucket, "large") == data * 2
upload, parts = uploaded("small", b"small")
assert code_of(client.complete_multipart_upload, bucket, "small", upload, parts) == "EntityTooSmall"
client.abort_multipart_upload(bucket, "small", upload)
assert code_of(client.abort_multipart_upload, bucket, "small", upload) == "NoSuchUpload"

begun = [f"up/{number:02}" for number in range(10)]
for each in begun:
    client.initiate_multipart_upload(bucket, each)
pages, marker = [], None
while marker is not None or not pages:
    pages.append(client.list_multipart_uploads(bucket, prefix="up/", max_uploads=4, key_marker=marker))
    marker = pages[-1].next_key_marker if pages[-1].is_truncated else None
assert [each.key for page in pages for each in page.uploads] == begun and len(pages) == 3

names = [f"list/{number}" for number in range(5)]
for each in names:
    client.put_object_from_string(bucket, each, "x")
first = client.list_objects(bucket, prefix="list/", max_keys=3)
rest = client.list_objects(bucket, prefix="list/", max_keys=3, marker=first.next_marker)
assert [each.key for each in (*first.contents, *rest.contents)] == names
assert first.is_truncated and not rest.is_truncated
client.delete_multiple_objects(bucket, names)
assert not client.list_objects(bucket, prefix="list/").contents

url = client.generate_pre_signed_url(bucket, name, expiration_in_seconds=60).decode()
assert urllib.request.urlopen(url).read() == data
expired = client.generate_pre_signed_url(bucket, name, timestamp=1700000000, expiration_in_seconds=60).decode()
for wrong in (url[:-3] + "000", expired):
    try:
        urllib.request.urlopen(wrong)
        raise AssertionError("a wrong URL was taken")
    except urllib.error.HTTPError as error:
        assert error.code == 403
print("judged")
