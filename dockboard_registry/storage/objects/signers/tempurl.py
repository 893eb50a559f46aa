"""Temporary URLs of OpenStack Swift."""

import hmac

from .forms import encoded_path


def signed_query(method: str, path: str, key: str, until: int) -> str:
    """path: not encoded, from the version of the API on. until: in seconds since 1970."""
    signature = hmac.digest(key.encode(), f"{method}\n{until}\n{path}".encode(), "sha256").hex()
    return f"temp_url_sig={signature}&temp_url_expires={until}&inline"


def signed_url(origin: str, path: str, key: str, until: int) -> str:
    return f"{origin}{encoded_path(path)}?{signed_query('GET', path, key, until)}"
