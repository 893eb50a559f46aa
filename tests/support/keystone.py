"""A real OpenStack Keystone (version 3 of its API), and a Swift whose users sign in there."""

from __future__ import annotations

import atexit
import functools
import grp
import json
import os
import pwd
import subprocess
import time
import urllib.request
from typing import Any

from dockboard_registry.errors import StartError
from dockboard_registry.storage import StorageFailed
from tests.support.server import free_port
from tests.support.swift import START_SECONDS, Swift

PASSWORD, SECRET = "keystone's+password", "the/credential's+secret"
# The user and the project that Keystone makes first.
ADMIN = "admin"

_KEYSTONE = """
[database]
connection = sqlite:///{directory}/keystone.db
[fernet_tokens]
key_repository = {directory}/fernet/
[fernet_receipts]
key_repository = {directory}/fernet/
"""
# Its command parses the arguments that are left.
_SERVER = """
import socketserver, sys
from wsgiref.simple_server import WSGIServer, make_server
from keystone.server.wsgi import initialize_public_application

class Threaded(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

port = int(sys.argv.pop())
make_server("127.0.0.1", port, initialize_public_application(), Threaded).serve_forever()
"""
_SIGN_IN = """
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {auth}
auth_url = {auth}
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = {admin}
username = {admin}
password = {password}
delay_auth_decision = true
cache = swift.cache
include_service_catalog = false
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin
reseller_prefix = KEY_
"""


class Keystone(Swift):
    """Both servers. The registry signs in with the password of the first user."""

    program = "keystone-manage"

    def __init__(self) -> None:
        super().__init__()
        self._auth_port = free_port()
        sections = _SIGN_IN.format(auth=self.auth, admin=ADMIN, password=PASSWORD)
        self.sign_in = "authtoken keystoneauth", sections

    @property
    def auth(self) -> str:
        return f"http://127.0.0.1:{self._auth_port}/v3"

    def _configure(self) -> None:
        """Keystone runs first, because it has to know where Swift will be."""
        super()._configure()
        file = self._file("keystone.conf")
        file.write_text(_KEYSTONE.format(directory=self.directory))
        self._file("fernet").mkdir(mode=0o700)
        owner = ["--keystone-user", pwd.getpwuid(os.getuid()).pw_name]
        owner += ["--keystone-group", grp.getgrgid(os.getgid()).gr_name]
        self._manage("db_sync")
        self._manage("fernet_setup", *owner)
        # Swift asks for tokens at the internal address.
        addresses = [text for kind in ("public", "internal") for text in (f"--bootstrap-{kind}-url", self.auth)]
        self._manage("bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", "one", *addresses)
        where = {"OS_KEYSTONE_CONFIG_DIR": str(self.directory), "OS_KEYSTONE_CONFIG_FILES": "keystone.conf"}
        self._run([str(self._bin / "python"), "-c", _SERVER, str(self._auth_port)], where)
        self._name_swift()

    def _manage(self, *arguments: str) -> None:
        command = [str(self._bin / "keystone-manage"), "--config-file", str(self._file("keystone.conf")), *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def _name_swift(self) -> None:
        """Add Swift to the catalog that users get when they sign in."""
        token, _ = self._token()
        made = self._ask("/services", {"service": {"type": "object-store", "name": "swift"}}, token)
        url = f"http://127.0.0.1:{self.port}/v1/KEY_%(tenant_id)s"
        about = {"service_id": made["service"]["id"], "interface": "public", "region_id": "one", "url": url}
        self._ask("/endpoints", {"endpoint": about}, token)

    def _token(self) -> tuple[str, str]:
        """A token of the user, and the user's id. Waits until Keystone answers."""
        domain = {"id": "default"}
        user = {"name": ADMIN, "domain": domain, "password": PASSWORD}
        scope = {"project": {"name": ADMIN, "domain": domain}}
        asked = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
        request = self._request("/auth/tokens", {"auth": asked})
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.headers["X-Subject-Token"], json.load(answer)["token"]["user"]["id"]
            except OSError:
                assert time.monotonic() < end, self._file("log").read_text()[-4000:]
                time.sleep(0.2)

    def _ask(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        with urllib.request.urlopen(self._request(path, body, token), timeout=60) as answer:
            return json.load(answer)

    def _request(self, path: str, body: dict[str, Any], token: str = "") -> urllib.request.Request:
        fields = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {})}
        return urllib.request.Request(self.auth + path, json.dumps(body).encode(), fields, method="POST")

    def _answers(self) -> bool:
        try:
            return bool(self.make())
        except (StorageFailed, StartError):
            return False

    def settings(self, bucket: str, prefix: str = "", more: str = "") -> dict[str, object]:
        return {
            "storage_url": f"swift://{bucket}/{prefix}?auth={self.auth}&project={ADMIN}{more}",
            "storage_access_key": ADMIN,
            "storage_secret_key": PASSWORD,
        }

    @functools.cached_property
    def credential(self) -> str:
        """The id of an application credential of the user."""
        token, user = self._token()
        asked = {"application_credential": {"name": "registry", "secret": SECRET}}
        return self._ask(f"/users/{user}/application_credentials", asked, token)["application_credential"]["id"]


class Application:
    """The same store. The registry signs in with an application credential."""

    def __init__(self, keystone: Keystone):
        self._keystone = keystone
        self.make = keystone.make

    def settings(self, bucket: str, prefix: str = "", more: str = "") -> dict[str, object]:
        return {
            "storage_url": f"swift://{bucket}/{prefix}?auth={self._keystone.auth}&credential=application{more}",
            "storage_access_key": self._keystone.credential,
            "storage_secret_key": SECRET,
        }


@functools.cache
def shared() -> Keystone:
    """The one that all tests of a session share which do it no harm."""
    server = Keystone()
    atexit.register(server.kill)
    return server.start()
