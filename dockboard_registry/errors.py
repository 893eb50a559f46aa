"""Every error that a client or an operator can meet, one class each, rendered in one place.

A class fixes code, HTTP status and message; an instance adds the cause, what to do next, and facts such as a digest.
Codes are those of the OCI distribution specification 1.1, section "Error Codes"; where it has none that fits, the names
that distribution's errcode package made common (UNAVAILABLE).
"""

import json


class StartError(Exception):
    """The server or a command can't start; the text tells the operator why and what to do."""


class RegistryError(Exception):
    """Base of all errors that become an HTTP answer."""

    code = "UNKNOWN"
    status = 500
    message = "the registry failed to answer this request"
    next = "try again; if it goes on, give the request id to the operator of this registry"

    def __init__(self, cause: str = "", next: str = "", headers: dict | None = None, **facts):
        super().__init__(cause or self.message)
        self.cause = cause or self.message
        self.next = next or self.next
        self.headers = headers or {}
        self.facts = facts

    def body(self) -> bytes:
        """The JSON body of the specification's section "Error Codes".

        detail says cause and next step apart; message says both, since docker shows its users nothing else.
        """
        detail = {"cause": self.cause, "next": self.next, **self.facts}
        error = {"code": self.code, "message": f"{self.cause}; {self.next}", "detail": detail}
        return json.dumps({"errors": [error]}).encode()


class AccountUnknown(RegistryError):
    code, status, message = "NAME_UNKNOWN", 404, "there is nothing of that name here"
    next = "check the name in the list of what there is"


class BadRequest(RegistryError):
    code, status, message = "UNSUPPORTED", 400, "the request can't be understood"
    next = "correct the request"


class BlobUnknown(RegistryError):
    code, status, message = "BLOB_UNKNOWN", 404, "blob unknown to this repository"
    next = "push the blob, or check repository and digest"


class UploadInvalid(RegistryError):
    code, status, message = "BLOB_UPLOAD_INVALID", 400, "blob upload invalid"
    next = "ask for the state of the upload with GET and go on from there, or start a new upload"


class UploadUnknown(RegistryError):
    code, status, message = "BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to the registry"
    next = "start a new upload with POST"


class UploadRange(UploadInvalid):
    """A chunk that does not begin where the upload ends; Range tells where it does."""

    status = 416


class DigestInvalid(RegistryError):
    code, status, message = "DIGEST_INVALID", 400, "the digest is not valid, or not that of the content"
    next = "send sha256:<64 lower-case hex digits> or sha512:<128> of exactly the bytes that were pushed"


class ManifestBlobUnknown(RegistryError):
    code, status, message = "MANIFEST_BLOB_UNKNOWN", 400, "the manifest refers to content that this repository lacks"
    next = "push the missing blob or manifest to this repository first, then the manifest again"


class ManifestInvalid(RegistryError):
    code, status, message = "MANIFEST_INVALID", 400, "manifest invalid"
    next = "correct the manifest and push it again"


class ManifestUnknown(RegistryError):
    code, status, message = "MANIFEST_UNKNOWN", 404, "manifest unknown to this repository"
    next = "check the tag or digest; the tag list shows what this repository has"


class NameInvalid(RegistryError):
    code, status, message = "NAME_INVALID", 400, "invalid repository name"
    next = "use lower-case letters, digits, and single . _ - between them, in segments joined by /, 255 characters at most"


class NameUnknown(RegistryError):
    code, status, message = "NAME_UNKNOWN", 404, "repository name not known to the registry"
    next = "check the name, or push to it: a repository begins with its first push"


class SizeInvalid(RegistryError):
    code, status, message = "SIZE_INVALID", 413, "the content is larger than allowed"
    next = "send less"


class TagInvalid(RegistryError):
    code, status, message = "MANIFEST_INVALID", 400, "invalid tag"
    next = "use a letter, digit or _ and then at most 127 letters, digits, . _ or -"


class Denied(RegistryError):
    code, status, message = "DENIED", 403, "requested access to the resource is denied"
    next = "ask the operator of this registry for access"


class QuotaExceeded(Denied):
    message = "the namespace holds as much as it may"
    next = "delete what is not needed any more, or ask the operator of this registry for a larger quota"


class ChangeRefused(RegistryError):
    code, status, message = "DENIED", 409, "the change does not fit what is there"
    next = "change what it depends on first"


class RightsChanged(RegistryError):
    code, status, message = "DENIED", 403, "the rights that this was asked with have changed meanwhile"
    next = "send it again"


class FieldInvalid(RegistryError):
    code, status, message = "UNSUPPORTED", 400, "a value is not valid"
    next = "use 2 to 64 lower-case letters and digits, with single . _ - between them"


class InUse(RegistryError):
    code, status, message = "DENIED", 409, "the content is in use"
    next = "delete what refers to it first"


class Unauthorized(RegistryError):
    code, status, message = "UNAUTHORIZED", 401, "authentication is required"
    next = "log in with a name and its password, or with an access token as the password"


class Unsupported(RegistryError):
    code, status, message = "UNSUPPORTED", 405, "the operation is not supported here"
    next = "use one of the methods named in the Allow header"


class MediaUnsupported(RegistryError):
    code, status, message = "UNSUPPORTED", 415, "the content coding is not supported"
    next = "send the body as it is, without Content-Encoding"


class PageInvalid(RegistryError):
    code, status, message = "UNSUPPORTED", 400, "invalid number of results requested"
    next = "give n as a whole number of 0 or more"


class RangeInvalid(RegistryError):
    code, status, message = "SIZE_INVALID", 416, "the range lies outside the content"
    next = "ask for a range inside the size that Content-Range tells"


class NotFound(RegistryError):
    code, status, message = "UNSUPPORTED", 404, "there is nothing at this path"
    next = "check the path; the API lies below /v2/"


class UriTooLong(RegistryError):
    code, status, message = "UNSUPPORTED", 414, "the URL is too long"
    next = "shorten the URL to at most 8 KiB"


class HeadersTooLarge(RegistryError):
    code, status, message = "UNSUPPORTED", 431, "the request header is too large"
    next = "send at most 100 header fields and 16 KiB"


class TooManyRequests(RegistryError):
    code, status, message = "TOOMANYREQUESTS", 429, "too many requests"
    next = "wait as long as Retry-After says, then try again"


class InsufficientStorage(RegistryError):
    code, status, message = "UNAVAILABLE", 507, "the registry's storage is full"
    next = "free space or let the operator add some, then push again; pulling and deleting still work"


class MailFailed(RegistryError):
    code, status, message = "UNAVAILABLE", 503, "the mail could not be sent"
    next = "check the settings of mail, or let the token be printed"


class Unavailable(RegistryError):
    code, status, message = "UNAVAILABLE", 503, "the registry can't serve this now"
    next = "try again in a moment"
