"""The XML of S3, and its errors in words."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ....outbound.client import Answer
from ... import StorageFailed
from ..bucket import Refused

_WORDS = {
    "AccessDenied": "the access key may not do this: check the rights of the key on the bucket",
    "AllAccessDisabled": "the access key may not do this: check the rights of the key on the bucket",
    "InvalidAccessKeyId": "it does not know storage.access_key",
    # versitygw
    "XAdminUserNotFound": "it does not know storage.access_key",
    "SignatureDoesNotMatch": "the signature is wrong: check storage.secret_key, and region and endpoint of storage.url",
    "AuthorizationHeaderMalformed": "the region is another one: set region in storage.url",
    "PermanentRedirect": "the bucket is in another region: set region and endpoint in storage.url",
    "NoSuchBucket": "the bucket does not exist: create it, or correct bucket and region in storage.url",
    "RequestTimeTooSkewed": "the clocks differ: set the time of this machine",
    "RequestExpired": "the clocks differ: set the time of this machine",
    "ExpiredToken": "the session token has expired: renew it in storage.credentials_file",
    "InvalidToken": "the session token is wrong",
    "SlowDown": "it asks for fewer requests",
}
# Errors whose text may name the right region.
_OTHER_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException")


def words(code: str) -> str:
    """What to do about an error; may be empty."""
    return _WORDS.get(code, "")


def error_of(answer: Answer) -> Refused:
    """code is the status where the body is no error of S3, as for HEAD."""
    try:
        found = parsed(answer.body)
        code, region = found.get("Code"), found.get("Region")
        if code == "AccessDenied" and "expired" in found.get("Message"):
            code = "RequestExpired"  # in the words of OSS and COS
    except StorageFailed:
        code, region = "", ""
    code = known_code(code, answer.status)
    if code in _OTHER_REGION and re.fullmatch(r"[a-z0-9-]{1,40}", region, re.A):
        return Refused(answer.status, code, f"the region is another one: set region={region} in storage.url")
    return Refused(answer.status, code, words(code))


def known_code(code: str, status: int) -> str:
    """The code of an error, or its status where that is no code."""
    return code if re.fullmatch(r"[A-Za-z0-9.]{1,60}", code, re.A) else str(status)


class Node:
    """An element of XML, whose children are found by their names without a namespace."""

    def __init__(self, element: ElementTree.Element):
        self._element = element

    @property
    def name(self) -> str:
        return self._element.tag.rpartition("}")[2]

    def get(self, name: str, default: str = "") -> str:
        return next((child._element.text or "" for child in self.all(name)), default)

    def all(self, name: str) -> "Iterable[Node]":
        return (Node(child) for child in self._element if child.tag.rpartition("}")[2] == name)


def parsed(body: bytes) -> Node:
    """Raises StorageFailed. A document type is refused: it could make a short answer long."""
    try:
        if b"<!" in body:
            raise StorageFailed("the object store's answer has a document type")
        return Node(ElementTree.fromstring(body))
    except ElementTree.ParseError as error:
        raise StorageFailed("the object store's answer is not XML") from error


def milliseconds(text: str) -> int:
    """A time such as 2026-11-23T16:00:00.000Z, in milliseconds since 1970. Raises StorageFailed."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise StorageFailed("the object store's answer has a time that is none") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def whole(number: object) -> int:
    """A size in a list, in bytes. Raises StorageFailed."""
    try:
        return int(str(number))
    except ValueError as error:
        raise StorageFailed("the object store's answer has a size that is none") from error


def deletion(names: Iterable[str]) -> bytes:
    objects = "".join(f"<Object><Key>{escape(name)}</Key></Object>" for name in names)
    return f"<Delete><Quiet>true</Quiet>{objects}</Delete>".encode()


def completion(etags: Iterable[str]) -> bytes:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{escape(etag)}&quot;</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def etag(text: str | None) -> str:
    """Without quotes, which some servers leave out, and in small letters."""
    return bare_etag(text).lower()


def bare_etag(text: str | None) -> str:
    """The same in the letters of the server, for what is sent back to it."""
    return (text or "").strip().strip('"').removeprefix("&quot;").removesuffix("&quot;")
