"""Alibaba Cloud's own library judges our double: `python sdk_oss.py ENDPOINT BUCKET REGION KEY SECRET`."""

import sys
import urllib.error
import urllib.request

import oss2

endpoint, bucket_name, region, key, secret = sys.argv[1:]


def opened(secret: str) -> oss2.Bucket:
    auth = oss2.AuthV4(key, secret)
    return oss2.Bucket(auth, endpoint, bucket_name, is_cname=True, region=region)


def code_of(function, *arguments, **named) -> str:
    try:
        function(*arguments, **named)
    except oss2.exceptions.OssError as error:
        return error.code or str(error.status)
    return ""


bucket = opened(secret)
name, data = "a dir/é+ %&.bin", bytes(range(256)) * 2048
bucket.put_object(name, data)
assert bucket.get_object(name).read() == data
assert bucket.get_object(name, byte_range=(5, 9)).read() == data[5:10]
assert bucket.head_object(name).content_length == len(data)
assert code_of(bucket.put_object, name, b"x", headers={"x-oss-forbid-overwrite": "true"}) == "FileAlreadyExists"
assert code_of(bucket.put_object, name, b"x", headers={"Content-MD5": "AAAA"}) == "InvalidDigest"
assert code_of(bucket.get_object, "missing") == "NoSuchKey"
assert code_of(opened("wrong").get_object, name) == "SignatureDoesNotMatch"

upload = bucket.init_multipart_upload("large").upload_id
parts = [
    oss2.models.PartInfo(number, sent.etag, size=len(data), part_crc=sent.crc)
    for number, sent in ((number, bucket.upload_part("large", upload, number, data)) for number in (1, 2))
]
assert [each.key for each in bucket.list_multipart_uploads().upload_list] == ["large"]
bucket.complete_multipart_upload("large", upload, parts)
assert bucket.get_object("large").read() == data * 2
small = bucket.init_multipart_upload("small").upload_id
tags = [bucket.upload_part("small", small, number, b"small").etag for number in (1, 2)]
made = [oss2.models.PartInfo(number, tag) for number, tag in enumerate(tags, 1)]
assert code_of(bucket.complete_multipart_upload, "small", small, made) == "EntityTooSmall"
bucket.abort_multipart_upload("small", small)
assert code_of(bucket.abort_multipart_upload, "small", small) == "NoSuchUpload"

for number in range(5):
    bucket.put_object(f"list/{number}", b"x")
listed = [each.key for each in oss2.ObjectIteratorV2(bucket, prefix="list/", max_keys=2)]
assert listed == [f"list/{number}" for number in range(5)], listed
assert [each.key for each in oss2.ObjectIterator(bucket, prefix="list/", max_keys=2)] == listed
bucket.batch_delete_objects(listed)
assert bucket.list_objects_v2("list/").object_list == []

url = bucket.sign_url("GET", name, 60, slash_safe=True)
assert urllib.request.urlopen(url).read() == data
for wrong in (url.replace("x-oss-signature=", "x-oss-signature=0"), bucket.sign_url("GET", name, -60, slash_safe=True)):
    try:
        urllib.request.urlopen(wrong)
        raise AssertionError("a wrong URL was taken")
    except urllib.error.HTTPError as error:
        assert error.code == 403
print("judged")
