"""The form of answers of the v1 API: JSON that no cache keeps."""

import json

from ...http.messages import Response

# Clients of that time know the older fields too.
_FIELDS = {"Content-Type": "application/json", "Pragma": "no-cache", "Expires": "-1"}


def answer(status: int, content: object, headers: dict | None = None, personal: bool = False) -> Response:
    """personal: it is for one user."""
    fields = {**_FIELDS, "Cache-Control": "private, no-cache" if personal else "no-cache", **(headers or {})}
    return Response(status, fields, json.dumps(content, ensure_ascii=False).encode())
