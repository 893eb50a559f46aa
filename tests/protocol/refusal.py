"""What every refusal of the registry looks like."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tests.support.http import Response

# distribution-spec, "Error Codes": nothing else may stand in a code field.
SPEC_CODES = frozenset(
    "BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID MANIFEST_UNKNOWN"
    " NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS".split()
)
# Beyond the table, which speaks of 4xx only: what distribution's clients already know.
SERVER_CODES = frozenset({"UNAVAILABLE", "UNKNOWN"})
# What would tell a stranger about the inside: source lines, SQL, file names, versions of programs.
LEAKS = re.compile(
    rb"Traceback|\.py\b|line \d+, in |\bsqlite|\bSELECT \S+ FROM|\bINSERT INTO|UNIQUE constraint|/tmp/|/root/|/var/|/home/"
    rb"|[Mm]y[Ss][Qq][Ll]|[Mm]aria|InnoDB|Duplicate entry|registry\.db|registry-data|[Tt]ornado|[Pp]ython/?\d|\b0x[0-9a-f]{8,}"
)

Expected = tuple[Collection[int], Collection[str]]


def refused(response: Response, expected: Expected) -> dict[str, Any]:
    """The detail of a well-formed refusal that has one of the expected statuses and one of the expected codes."""
    statuses, codes = expected
    response.expect(*statuses)
    if response.method == "HEAD":
        assert response.body == b"", "an answer to HEAD has no body"
        return {}
    error = well_formed(response)
    assert error["code"] in codes, f"{response.method} {response.path}: {error} is none of {sorted(codes)}"
    return error["detail"]


def well_formed(response: Response) -> dict[str, Any]:
    """The first error of the body, after checking the shape that every error of the registry has."""
    assert response.headers.get_content_type() == "application/json", response.headers
    document = response.json()
    assert list(document) == ["errors"] and document["errors"], document
    for error in document["errors"]:
        assert error["code"] in (SPEC_CODES if response.status < 500 else SPEC_CODES | SERVER_CODES), error
        assert isinstance(error["message"], str) and error["message"], error
        for part in ("cause", "next"):
            words = error["detail"].get(part)
            assert isinstance(words, str) and len(words) > 10, f"detail.{part} says too little: {error}"
    leak = LEAKS.search(response.body)
    assert leak is None, f"the body tells {leak and leak[0]!r}: {response.body[:1000]!r}"
    return document["errors"][0]
