"""Every error that a client or an operator can meet: one class for each. web/face.py writes their answers.

A class fixes code and HTTP status. An instance adds the cause, the next step, and facts such as a digest. The codes are
those of the OCI distribution specification 1.1, section "Error Codes". Where none of them fits, the names are those of
distribution's errcode package (UNAVAILABLE, UNKNOWN).
"""

# The specification's words for each code. The last two are distribution's. Clients and scripts look for these words, so
# a message begins with them.
CODE_MESSAGES = {
    "BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UPLOAD_INVALID": "blob upload invalid",
    "BLOB_UPLOAD_UNKNOWN": "blob upload unknown to registry",
    "DENIED": "requested access to the resource is denied",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "MANIFEST_BLOB_UNKNOWN": "manifest references a manifest or blob unknown to registry",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_UNKNOWN": "manifest unknown to registry",
    "NAME_INVALID": "invalid repository name",
    "NAME_UNKNOWN": "repository name not known to registry",
    "SIZE_INVALID": "provided length did not match content length",
    "TOOMANYREQUESTS": "too many requests",
    "UNAUTHORIZED": "authentication required",
    "UNSUPPORTED": "the operation is unsupported",
    "UNAVAILABLE": "service unavailable",
    "UNKNOWN": "unknown error",
}


class StartError(Exception):
    """The server or a command can't start. The text tells the operator why, and what to do."""


class ConnectionCut(Exception):
    """The client went away in the middle of its body. Nobody hears an answer."""


class RegistryError(Exception):
    """Base of all errors that become an HTTP answer.

    cause: what is wrong, in our own words. An instance may say it better than its class. words: None stands for the
    words of the code. Errors that only our own API has use no words, because the code's would not be true of them.
    """

    code = "UNKNOWN"
    status = 500
    code_message: str | None = None
    cause = "the registry failed to answer this request"
    next = "try again; if it goes on, give the request id to the operator of this registry"

    def __init__(self, cause: str = "", next: str = "", headers: dict | None = None, **facts):
        super().__init__(cause or self.cause)
        self.cause = cause or self.cause
        self.next = next or self.next
        self.headers = headers or {}
        self.facts = facts

    @property
    def message(self) -> str:
        """The message of the code, the cause, and the next step. docker shows people nothing else."""
        code_message = CODE_MESSAGES[self.code] if self.code_message is None else self.code_message
        return f"{code_message}: {self.cause}; {self.next}" if code_message else f"{self.cause}; {self.next}"


class AccountUnknown(RegistryError):
    code_message = ""
    code, status, cause = "NAME_UNKNOWN", 404, "there is nothing of that name here"
    next = "check the name, or look it up in the list"


class BadRequest(RegistryError):
    code, status, cause = "UNSUPPORTED", 400, "the request can't be understood"
    next = "correct the request"


class BodyMalformed(BadRequest):
    cause = "the chunked body is malformed"


class BlobUnknown(RegistryError):
    code, status, cause = "BLOB_UNKNOWN", 404, "this repository has no such blob"
    next = "push the blob, or check repository and digest"


class UploadInvalid(RegistryError):
    code, status, cause = "BLOB_UPLOAD_INVALID", 400, "the upload can't go on with this request"
    next = "ask for the state of the upload with GET and go on from there, or start a new upload"


class UploadUnknown(RegistryError):
    code, status, cause = "BLOB_UPLOAD_UNKNOWN", 404, "there is no such upload in this repository"
    next = "start a new upload with POST"


class UploadRange(UploadInvalid):
    """The chunk does not begin where the upload ends. The Range header says where that is."""

    status = 416


class DigestInvalid(RegistryError):
    code, status, cause = "DIGEST_INVALID", 400, "the digest is not valid, or not that of the content"
    next = "send sha256:<64 lower-case hex digits> or sha512:<128> of exactly the bytes that were pushed"


class ManifestBlobUnknown(RegistryError):
    code, status, cause = "MANIFEST_BLOB_UNKNOWN", 400, "the manifest refers to content that this repository lacks"
    next = "push the missing blob or manifest to this repository first, then the manifest again"


class ManifestInvalid(RegistryError):
    code, status, cause = "MANIFEST_INVALID", 400, "the manifest is not one that the registry stores"
    next = "correct the manifest and push it again"


class ManifestUnknown(RegistryError):
    code, status, cause = "MANIFEST_UNKNOWN", 404, "this repository has no such manifest"
    next = "check the tag or digest; the list of tags shows what the repository has"


class NameInvalid(RegistryError):
    code, status, cause = (
        "NAME_INVALID",
        400,
        "the repository name has characters, a form or a length that is not allowed",
    )
    next = (
        "use lower-case letters, digits, and single . _ - between them, in segments joined by /, 255 characters at most"
    )


class NameUnknown(RegistryError):
    code, status, cause = "NAME_UNKNOWN", 404, "this registry has no repository of that name"
    next = "check the name, or push to it: a repository begins with its first push"


class SizeInvalid(RegistryError):
    code, status, cause = "SIZE_INVALID", 413, "the content is larger than allowed"
    next = "send less"


class TagInvalid(RegistryError):
    code, status, cause = "MANIFEST_INVALID", 400, "the tag has characters or a length that is not allowed"
    next = "use a letter, digit or _ and then at most 127 letters, digits, . _ or -"


class Denied(RegistryError):
    code, status, cause = "DENIED", 403, "the right is missing"
    next = "ask the operator of this registry for access"


class QuotaExceeded(Denied):
    cause = "the namespace holds as much as it may"
    next = "delete what is not needed any more, or ask the operator of this registry for a larger quota"


class ChangeRefused(RegistryError):
    code_message = ""
    code, status, cause = "DENIED", 409, "the change does not fit what is there"
    next = "change what it depends on first"


class RightsChanged(RegistryError):
    code, status, cause = "DENIED", 403, "the rights that this was asked with have changed meanwhile"
    next = "send it again"


class FieldInvalid(RegistryError):
    code_message = ""
    code, status, cause = "UNSUPPORTED", 400, "a value is not valid"
    next = "use 2 to 64 lower-case letters and digits, with single . _ - between them"


class InUse(RegistryError):
    code, status, cause = "DENIED", 409, "the content is in use"
    next = "delete what refers to it first"


class Unauthorized(RegistryError):
    code, status, cause = "UNAUTHORIZED", 401, "the request shows no credentials"
    next = "log in with a name and its password, or with an access token as the password"


class Unsupported(RegistryError):
    code, status, cause = "UNSUPPORTED", 405, "this resource has no such method"
    next = "use one of the methods named in the Allow header"


class MediaUnsupported(RegistryError):
    code, status, cause = "UNSUPPORTED", 415, "the body has a content coding"
    next = "send the body as it is, without Content-Encoding"


class PageInvalid(RegistryError):
    code, status, cause = "UNSUPPORTED", 400, "the number of results is not one"
    next = "give n as a whole number of 0 or more"


class RangeInvalid(RegistryError):
    code, status, cause = "SIZE_INVALID", 416, "the range lies outside the content"
    next = "ask for a range inside the size that Content-Range tells"


class NotFound(RegistryError):
    code, status, cause = "UNSUPPORTED", 404, "there is nothing at this path"
    next = "check the path; the API lies below /v2/"


class UriTooLong(RegistryError):
    code, status, cause = "UNSUPPORTED", 414, "the URL is too long"
    next = "shorten the URL to at most 8 KiB"


class HeadersTooLarge(RegistryError):
    code, status, cause = "UNSUPPORTED", 431, "the request header is too large"
    next = "send at most 100 header fields and 16 KiB"


class TooManyRequests(RegistryError):
    code, status, cause = "TOOMANYREQUESTS", 429, "more came than is let in"
    next = "wait as long as Retry-After says, then try again"


class InsufficientStorage(RegistryError):
    code, status, cause = "UNAVAILABLE", 507, "the registry's storage is full"
    next = "free space or let the operator add some, then push again; pulling and deleting still work"


class MailFailed(RegistryError):
    code, status, cause = "UNAVAILABLE", 503, "the mail could not be sent"
    next = "check the settings of mail, or let the token be printed"


class Unavailable(RegistryError):
    code, status, cause = "UNAVAILABLE", 503, "the registry can't serve this now"
    next = "try again in a moment"


class StoreMoving(Unavailable):
    """Pulls go on, and so does what brings no bytes to the store."""

    cause = "the blobs of this registry are being moved to another store"
