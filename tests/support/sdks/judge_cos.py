"""Tencent Cloud's own library judges our double: `python sdk_cos.py ENDPOINT BUCKET REGION KEY SECRET`."""

import sys
import urllib.error
import urllib.request

from qcloud_cos import CosConfig, CosS3Client
from qcloud_cos.cos_exception import CosServiceError

endpoint, bucket, region, key, secret = sys.argv[1:]


def opened(secret: str) -> CosS3Client:
    domain = endpoint.removeprefix("http://")
    config = CosConfig(Region=region, SecretId=key, SecretKey=secret, Scheme="http", Domain=domain)
    return CosS3Client(config, retry=0)


def code_of(function, **named) -> str:
    try:
        function(Bucket=bucket, **named)
    except CosServiceError as error:
        return error.get_error_code()
    return ""


client = opened(secret)
name, data = "a dir/é+ %&.bin", bytes(range(256)) * 4096
client.put_object(Bucket=bucket, Key=name, Body=data)
assert client.get_object(Bucket=bucket, Key=name)["Body"].get_raw_stream().read() == data
ranged = client.get_object(Bucket=bucket, Key=name, Range="bytes=5-9")
assert ranged["Body"].get_raw_stream().read() == data[5:10]
assert int(client.head_object(Bucket=bucket, Key=name)["Content-Length"]) == len(data)
forbidden = {"x-cos-forbid-overwrite": "true"}
assert code_of(client.put_object, Key=name, Body=b"x", Metadata=forbidden) in ("FileAlreadyExists", "")
assert code_of(client.put_object, Key=name + "2", Body=b"x", ContentMD5="AAAA") == "InvalidDigest"
assert code_of(client.get_object, Key="missing") == "NoSuchKey"
assert code_of(opened("wrong").get_object, Key=name) == "SignatureDoesNotMatch"


def uploaded(key: str, pieces: list[bytes]) -> tuple[str, dict]:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    tags = [
        client.upload_part(Bucket=bucket, Key=key, Body=piece, PartNumber=number, UploadId=upload)["ETag"]
        for number, piece in enumerate(pieces, 1)
    ]
    return upload, {"Part": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]}


upload, parts = uploaded("large", [data, data])
assert client.list_multipart_uploads(Bucket=bucket)["Upload"][0]["Key"] == "large"
client.complete_multipart_upload(Bucket=bucket, Key="large", UploadId=upload, MultipartUpload=parts)
assert client.get_object(Bucket=bucket, Key="large")["Body"].get_raw_stream().read() == data * 2
upload, parts = uploaded("small", [b"small", b"small"])
small = {"Key": "small", "UploadId": upload}
assert code_of(client.complete_multipart_upload, MultipartUpload=parts, **small) == "EntityTooSmall"
client.abort_multipart_upload(Bucket=bucket, **small)
assert code_of(client.abort_multipart_upload, **small) == "NoSuchUpload"

for number in range(5):
    client.put_object(Bucket=bucket, Key=f"list/{number}", Body=b"x")
listed, marker = [], ""
while marker is not None:
    page = client.list_objects(Bucket=bucket, Prefix="list/", Marker=marker, MaxKeys=2)
    listed += [each["Key"] for each in page["Contents"]]
    marker = page["NextMarker"] if page["IsTruncated"] == "true" else None
assert listed == [f"list/{number}" for number in range(5)], listed
client.delete_objects(Bucket=bucket, Delete={"Object": [{"Key": each} for each in listed], "Quiet": "true"})
assert "Contents" not in client.list_objects(Bucket=bucket, Prefix="list/")

url = client.get_presigned_url(Bucket=bucket, Key=name, Method="GET", Expired=60)
assert urllib.request.urlopen(url).read() == data
expired = client.get_presigned_url(Bucket=bucket, Key=name, Method="GET", Expired=-30)
for wrong in (url.replace("q-signature=", "q-signature=0"), expired):
    try:
        urllib.request.urlopen(wrong)
        raise AssertionError("a wrong URL was taken")
    except urllib.error.HTTPError as error:
        assert error.code == 403
print("judged")
