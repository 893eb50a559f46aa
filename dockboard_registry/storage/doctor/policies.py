"""The rights that the keys of an object store need, in the words of each vendor.

Sources: the vendors' lists of the actions of each request. S3: "Actions, resources, and condition keys for Amazon S3".
OSS: "RAM Policy". COS: "Working with COS API Authorization Policies", and DELETE Multiple Objects. BOS: "Permission
Introduction". Kodo: "kodo-iam-actions".
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

LIST, UPLOADS, READ, WRITE, DELETE, ABORT = "list", "uploads", "read", "write", "delete", "abort"


class Actions(NamedTuple):
    """Those on the bucket, and those on the objects below the prefix."""

    bucket: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.bucket, *self.objects)


def _of(vendor: str, listing: str, uploads: str) -> dict[str, Actions]:
    """Those of vendors whose names of actions are the names that S3 has."""
    objects = {READ: "GetObject", WRITE: "PutObject", DELETE: "DeleteObject", ABORT: "AbortMultipartUpload"}
    return {
        LIST: Actions((f"{vendor}:{listing}",)),
        UPLOADS: Actions((f"{vendor}:{uploads}",)),
        **{what: Actions(objects=(f"{vendor}:{action}",)) for what, action in objects.items()},
    }


_COS_WRITE = ("PutObject", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
ACTIONS: dict[str, dict[str, Actions]] = {
    "s3": _of("s3", "ListBucket", "ListBucketMultipartUploads"),
    "oss": _of("oss", "ListObjects", "ListMultipartUploads"),
    "cos": {
        LIST: Actions(("name/cos:GetBucket",)),
        UPLOADS: Actions(("name/cos:ListMultipartUploads",)),
        READ: Actions(objects=("name/cos:GetObject", "name/cos:HeadObject")),
        WRITE: Actions(objects=tuple(f"name/cos:{action}" for action in _COS_WRITE)),
        DELETE: Actions(("name/cos:DeleteMultipleObjects",), ("name/cos:DeleteObject",)),
        ABORT: Actions(objects=("name/cos:AbortMultipartUpload",)),
    },
    "bos": {
        LIST: Actions(("LIST",)),
        UPLOADS: Actions(("LIST",)),
        READ: Actions(objects=("READ",)),
        WRITE: Actions(objects=("WRITE",)),
        DELETE: Actions(objects=("WRITE",)),
        ABORT: Actions(objects=("WRITE",)),
    },
    "kodo": {
        LIST: Actions(("kodo/List",)),
        UPLOADS: Actions(),
        READ: Actions(objects=("kodo/Get", "kodo/Stat")),
        WRITE: Actions(objects=("kodo/Upload", "kodo/Mkfile")),
        DELETE: Actions(objects=("kodo/Delete",)),
        ABORT: Actions(objects=("kodo/AbortMultipartUpload",)),
    },
}
_ABOUT = {
    "s3": "The keys need these rights. As a policy of the user (IAM):",
    "oss": "The keys need these rights. As a policy of the RAM user:",
    "cos": "The keys need these rights. As a policy of the sub-user (CAM):",
    "bos": "The keys need these rights. As a policy of the IAM user:",
    "kodo": "The keys need these rights. As a policy of the IAM user:",
    "swift": "The user needs a role in the project that may write, such as member or swiftoperator. Or the container"
    " lets the user in, but then no client gets temporary URLs:",
}


def missing(kind: str, right: str) -> str:
    """What to allow a key that may not do something."""
    if kind not in ACTIONS:
        return "give the user a role in the project, or rights on the container"
    return f"allow {' and '.join(ACTIONS[kind][right].all)} for this key"


def about(kind: str) -> str:
    return _ABOUT[kind]


def policy(place) -> str:
    """The text to paste. place: storage.url as the configuration read it."""
    if place.kind == "swift":
        return f"swift post {place.bucket} --read-acl PROJECT:USER --write-acl PROJECT:USER"
    rights = ACTIONS[place.kind].values()
    of_bucket = _once(action for right in rights for action in right.bucket)
    of_objects = _once(action for right in rights for action in right.objects)
    return json.dumps(_DOCUMENTS[place.kind](place, of_bucket, of_objects), indent=2)


def _once(actions: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(actions))


def _s3(place, of_bucket: list[str], of_objects: list[str]) -> dict[str, Any]:
    bucket = f"arn:aws:s3:::{place.bucket}"
    rights = ((of_bucket, bucket), (of_objects, f"{bucket}/{place.prefix}*"))
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": what} for actions, what in rights],
    }


def _oss(place, of_bucket: list[str], of_objects: list[str]) -> dict[str, Any]:
    bucket = f"acs:oss:*:*:{place.bucket}"
    rights = ((of_bucket, bucket), (of_objects, f"{bucket}/{place.prefix}*"))
    return {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": [what]} for actions, what in rights],
    }


def _cos(place, of_bucket: list[str], of_objects: list[str]) -> dict[str, Any]:
    """The account's number is the end of the bucket's name."""
    bucket = f"qcs::cos:{place.region}:uid/{place.bucket.rpartition('-')[2]}:{place.bucket}"
    rights = ((of_bucket, f"{bucket}/*"), (of_objects, f"{bucket}/{place.prefix}*"))
    return {
        "version": "2.0",
        "statement": [{"effect": "allow", "action": actions, "resource": [what]} for actions, what in rights],
    }


def _bos(place, of_bucket: list[str], of_objects: list[str]) -> dict[str, Any]:
    def entry(permission: list[str], resource: str) -> dict[str, Any]:
        words = {"service": "bce:bos", "region": place.region, "effect": "Allow"}
        return {**words, "permission": permission, "resource": [resource]}

    return {"accessControlList": [entry(of_bucket, place.bucket), entry(of_objects, f"{place.bucket}/{place.prefix}*")]}


def _kodo(place, of_bucket: list[str], of_objects: list[str]) -> dict[str, Any]:
    bucket = f"qrn:kodo:::{place.bucket}"
    rights = ((of_bucket, f"{bucket}/*"), (of_objects, f"{bucket}/{place.prefix}*"))
    return {"statement": [{"effect": "Allow", "action": actions, "resource": [what]} for actions, what in rights]}


_DOCUMENTS = {"s3": _s3, "oss": _oss, "cos": _cos, "bos": _bos, "kodo": _kodo}
