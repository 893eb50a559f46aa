"""Qiniu's own library judges our double: `python judge_kodo.py ENDPOINT BUCKET REGION KEY SECRET`."""

import io
import sys
import urllib.error
import urllib.request
from urllib.parse import quote

import requests
from qiniu import Auth, BucketManager, build_batch_delete, build_batch_stat
from qiniu.http.endpoint import Endpoint
from qiniu.http.region import Region, ServiceName
from qiniu.services.storage.uploaders import FormUploader, ResumeUploaderV2
from qiniu.utils import etag_stream

endpoint, bucket, _, key, secret = sys.argv[1:]
regions = [Region("z0", services={name: [Endpoint.from_host(endpoint)] for name in ServiceName})]


def status_of(answer) -> int:
    return answer[-1].status_code


def refused_url(url: str) -> int:
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


auth = Auth(key, secret)
manager, stranger = (BucketManager(each, regions=regions) for each in (auth, Auth(key, "wrong")))
form = FormUploader(bucket, auth=auth, regions=regions)
name, data = "a dir/é+ %&.bin", bytes(range(256)) * 2048


def sent(name: str, data: bytes, **more):
    policy = more.pop("policy", None)
    token = more.pop("token", None) or auth.upload_token(bucket, name, 60, policy)
    return form.upload(name, data=io.BytesIO(data), data_size=len(data), up_token=token, **more)


made, answer = sent(name, data)
assert answer.ok() and made["key"] == name, answer
assert made["hash"] == etag_stream(io.BytesIO(data))
found, _ = manager.stat(bucket, name)
assert (found["fsize"], found["hash"]) == (len(data), made["hash"])
assert status_of(sent(name, b"other", policy={"insertOnly": 1})) == 614
assert status_of(sent(name, data, policy={"insertOnly": 1})) == 200
assert status_of(sent(name, b"other", crc32_int=1)) == 406
assert status_of(sent(name, b"x", token=auth.upload_token(bucket, name, -60))) == 401
assert status_of(sent(name, b"x", token=auth.upload_token(bucket, "another", 60))) == 403
assert status_of(sent(name, b"x", token=Auth(key, "wrong").upload_token(bucket, name, 60))) == 401
assert status_of(sent(name, b"x", token=auth.upload_token("no-such-bucket", name, 60))) == 631
assert status_of(manager.stat(bucket, "missing")) == 612
assert status_of(manager.stat("no-such-bucket", name)) == 631
assert status_of(stranger.stat(bucket, name)) == 401

large, part = bytes(range(256)) * 40960, 4 << 20
resumed = ResumeUploaderV2(bucket, auth=auth, regions=regions, part_size=part)
token = auth.upload_token(bucket, "large", 60)
made, answer = resumed.upload("large", data=io.BytesIO(large), data_size=len(large), up_token=token)
assert answer.ok() and made["hash"] == etag_stream(io.BytesIO(large)), answer
more = {"key": "small", "file_name": "small"}
token = auth.upload_token(bucket, "small", 60)
context, answer = resumed.initial_parts(token, data=io.BytesIO(b"abc"), data_size=3, part_size=1, **more)
assert answer.ok(), answer
_, answer = resumed.upload_parts(token, io.BytesIO(b"abc"), 3, context, **more)
assert answer.ok() and len(context.parts) == 3, answer
assert status_of(resumed.complete_parts(token, 3, context, **more)) == 400
address = f"{endpoint}/buckets/{bucket}/objects/c21hbGw=/uploads/{context.upload_id}"
fields = {"Authorization": f"UpToken {token}"}
assert requests.delete(address, headers=fields, timeout=20).status_code == 200
assert status_of(resumed.complete_parts(token, 3, context, **more)) == 612

names = [f"list/{number:02}" for number in range(20)]
for each in names:
    sent(each, b"x")
listed, marker, end = [], None, False
while not end:
    page, end, _ = manager.list(bucket, prefix="list/", marker=marker, limit=3)
    listed += [each["key"] for each in page["items"]]
    marker = page.get("marker")
assert listed == names, listed
assert status_of(manager.list(bucket, marker="none")) == 640
_, answer = manager.batch(build_batch_stat(bucket, [names[0], "missing"]))
assert [each["code"] for each in answer.json()] == [200, 612]
assert status_of(manager.batch(build_batch_delete(bucket, [*names, "missing"]))) == 298
assert status_of(manager.stat(bucket, names[0])) == 612
assert status_of(manager.delete(bucket, names[0])) == 612

url = f"{endpoint}/{quote(name)}"
assert urllib.request.urlopen(auth.private_download_url(url, 60)).read() == data
ranged = urllib.request.Request(auth.private_download_url(url, 60), headers={"Range": "bytes=5-9"})
assert urllib.request.urlopen(ranged).read() == data[5:10]
assert refused_url(auth.private_download_url(url, -60)) == 401
assert refused_url(auth.private_download_url(url, 60)[:-3] + "xx=") == 401
assert refused_url(auth.private_download_url(f"{endpoint}/missing", 60)) == 404
print("judged")
