"""What every refusal of the registry looks like."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tests.support.http import Response

# distribution-spec, "Error Codes": nothing else may stand in a code field, and clients look for these words in the
# message.
SPEC_CODES = {
    "BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UPLOAD_INVALID": "blob upload invalid",
    "BLOB_UPLOAD_UNKNOWN": "blob upload unknown to registry",
    "DENIED": "requested access to the resource is denied",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "MANIFEST_BLOB_UNKNOWN": "manifest references a manifest or blob unknown to registry",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "NAME_INVALID": "invalid repository name",
    "NAME_UNKNOWN": "repository name not known to registry",
    "SIZE_INVALID": "provided length did not match content length",
    "TOOMANYREQUESTS": "too many requests",
    "UNAUTHORIZED": "authentication required",
    "UNSUPPORTED": "the operation is unsupported",
}
# Beyond the table, which speaks of 4xx only: what distribution's clients already know.
SERVER_CODES = {"UNAVAILABLE": "service unavailable", "UNKNOWN": "unknown error"}
# What would tell a stranger about the inside: source lines, SQL, file names, versions of programs.
LEAKS = re.compile(
    rb"Traceback|\.py\b|line \d+, in |\bsqlite|\bSELECT \S+ FROM|\bINSERT INTO|UNIQUE"
    rb" constraint|/tmp/|/root/|/var/|/home/"
    rb"|[Mm]y[Ss][Qq][Ll]|[Mm]aria|InnoDB|Duplicate"
    rb" entry|registry\.db|registry-data|[Tt]ornado|[Pp]ython/?\d|\b0x[0-9a-f]{8,}"
)

Expected = tuple[Collection[int], Collection[str]]


def refused(response: Response, expected: Expected) -> dict[str, Any]:
    """The error of a well-formed refusal that has one of the expected statuses and one of the expected codes; nothing
    of one to HEAD.
    """
    statuses, codes = expected
    response.expect(*statuses)
    if response.method == "HEAD":
        assert response.body == b"", "an answer to HEAD has no body"
        return {}
    error = well_formed(response)
    assert error["code"] in codes, f"{response.method} {response.path}: {error} is none of {sorted(codes)}"
    return error


def well_formed(response: Response) -> dict[str, Any]:
    """The first error of the body, after checking the shape that every error of the registry has."""
    assert response.headers.get_content_type() == "application/json", response.headers
    document = response.json()
    assert list(document) == ["errors"] and document["errors"], document
    for error in document["errors"]:
        codes = SPEC_CODES if response.status < 500 else SPEC_CODES | SERVER_CODES
        assert error["code"] in codes and {*error} <= {"code", "message", "detail"}, error
        words, _, rest = error["message"].partition(": ")
        assert words.startswith(codes[error["code"]]), error
        cause, _, next = rest.rpartition("; ")
        assert len(cause) > 10 and len(next) > 8, f"the message says too little: {error}"
        # Some clients print the detail, and then as it is: it is left out where it has no facts, and does not say the
        # message again.
        facts = error.get("detail", {"": ""})
        assert facts and not {"cause", "next", "message"} & {*facts} and cause not in str(facts), error
    leak = LEAKS.search(response.body)
    assert leak is None, f"the body tells {leak and leak[0]!r}: {response.body[:1000]!r}"
    return document["errors"][0]
