"""How the registry signs in to OpenStack Swift: TempAuth (version 1) and Keystone (version 3)."""

import json
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ....errors import StartError
from ....outbound.client import Answer, Client, Request
from ....outbound.errors import OutboundError
from ... import StorageFailed
from ..bucket import Refused
from ..credentials import Credentials, FileCredentials, FixedCredentials

# A token is renewed so many seconds before its end.
_EARLY = 60.0
_LIFE = 3600.0


class SignIn(NamedTuple):
    """auth: the URL to sign in at; version 3 where its path ends with /v3. endpoint: scheme and authority that replace
    those of the account's URL; may be empty. more: project, domains, region and interface of Keystone.
    """

    auth: str
    endpoint: str
    more: Mapping[str, str]

    @property
    def is_keystone(self) -> bool:
        return urlsplit(self.auth).path.rstrip("/").endswith("/v3")


class Access(NamedTuple):
    """url: of the account, without a slash at its end. until: in seconds since 1970."""

    token: str
    url: str
    until: float

    def __repr__(self) -> str:
        return f"Access({self.url})"


class Tokens:
    """Used by many threads."""

    def __init__(self, sign_in: SignIn, credentials: FixedCredentials | FileCredentials, client: Client):
        self._sign_in, self._credentials, self._client = sign_in, credentials, client
        self._lock = threading.Lock()
        self._access: Access | None = None
        self._with: Credentials | None = None

    @property
    def known(self) -> Access | None:
        """The last one, which may have ended."""
        return self._access

    def credentials(self) -> Credentials:
        return self._credentials.now()

    def now(self, instead_of: str = "") -> Access:
        """One that is valid. instead_of: a token that was refused. Raises Refused, StorageFailed."""
        with self._lock:
            try:
                credentials = self._credentials.now()
                found = self._access
                ends = found is None or found.until - _EARLY < time.time()
                if ends or found.token == instead_of or credentials != self._with:
                    self._access, self._with = self._new(credentials), credentials
                return self._access
            except (OutboundError, StartError) as error:
                raise StorageFailed(f"can't sign in to the object store: {error}") from error

    def _new(self, credentials: Credentials) -> Access:
        answer = self._client.send(_request(self._sign_in, credentials))
        if not 200 <= answer.status < 300:
            raise Refused(answer.status, str(answer.status), _words(answer.status))
        try:
            made = (_of_keystone if self._sign_in.is_keystone else _of_tempauth)(answer, self._sign_in.more)
        except (KeyError, TypeError, ValueError) as error:
            raise StorageFailed("the answer to signing in to the object store is none of OpenStack's") from error
        return made._replace(url=_reached(made.url, self._sign_in))


def _words(status: int) -> str:
    if status in (401, 403):
        return "storage.access_key or storage.secret_key is wrong, or project and domain in storage.url are"
    return "check auth in storage.url"


def _request(sign_in: SignIn, credentials: Credentials) -> Request:
    if not sign_in.is_keystone:
        fields = {"X-Auth-User": credentials.access_key, "X-Auth-Key": credentials.secret_key}
        return Request("GET", sign_in.auth, lambda: fields)
    body = json.dumps({"auth": _identity(sign_in.more, credentials)}).encode()
    url = sign_in.auth.rstrip("/") + "/auth/tokens"
    return Request("POST", url, lambda: {"Content-Type": "application/json"}, body)


def _identity(more: Mapping[str, str], credentials: Credentials) -> dict[str, Any]:
    if more.get("credential") == "application":
        made = {"id": credentials.access_key, "secret": credentials.secret_key}
        return {"identity": {"methods": ["application_credential"], "application_credential": made}}
    domain = more.get("domain") or "Default"
    user = {
        "name": credentials.access_key,
        "domain": {"name": more.get("user_domain") or domain},
        "password": credentials.secret_key,
    }
    project = {"name": more["project"], "domain": {"name": more.get("project_domain") or domain}}
    return {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": project}}


def _of_tempauth(answer: Answer, more: Mapping[str, str]) -> Access:
    token, url = answer.headers.get("X-Auth-Token"), answer.headers.get("X-Storage-Url")
    if not token or not url:
        raise ValueError("the answer lacks the token or the account's URL")
    life = answer.headers.get("X-Auth-Token-Expires") or ""
    seconds = float(life) if life.isascii() and life.isdigit() else _LIFE
    return Access(token, url, time.time() + seconds)


def _of_keystone(answer: Answer, more: Mapping[str, str]) -> Access:
    token = json.loads(answer.body)["token"]
    until = datetime.fromisoformat(token["expires_at"].replace("Z", "+00:00")).timestamp()
    for service in token.get("catalog", []):
        for endpoint in service["endpoints"] if service["type"] == "object-store" else []:
            right_region = more.get("region", endpoint["region_id"]) == endpoint["region_id"]
            if right_region and endpoint["interface"] == more.get("interface", "public"):
                return Access(answer.headers["X-Subject-Token"], endpoint["url"], until)
    raise StorageFailed("Keystone names no object store for this project: check region and interface in storage.url")


def _reached(url: str, sign_in: SignIn) -> str:
    """The account's URL, as this machine reaches it. Raises StorageFailed where the token would go without TLS."""
    parts = urlsplit(url)
    if sign_in.endpoint:
        return sign_in.endpoint + parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StorageFailed("the account's URL, which signing in gave, is none: set endpoint in storage.url")
    if parts.scheme == "http" and urlsplit(sign_in.auth).scheme == "https":
        raise StorageFailed("the account's URL, which signing in gave, is without TLS: set endpoint in storage.url")
    return url.rstrip("/")
