"""Registries whose blobs are in one bucket each of the same versitygw."""

from __future__ import annotations

from pathlib import Path

from tests.bench.servers import Distribution, Ours, Server
from tests.bench.sink import Sink

PEER_CONFIG = """\
version: 0.1
log:
  level: info
  fields: {{service: registry}}
storage:
  cache: {{blobdescriptor: inmemory}}
  s3:
    accesskey: {access_key}
    secretkey: "{secret_key}"
    region: us-east-1
    regionendpoint: {endpoint}
    forcepathstyle: true
    secure: false
    bucket: {bucket}
  redirect: {{disable: true}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  headers: {{X-Content-Type-Options: [nosniff]}}
"""


def _store():
    from tests.support import object_stores

    return object_stores.shared("versitygw")


class InBucket(Server):
    """column: under whose name its figures stand."""

    column = ""

    def start(self) -> Server:
        self.bucket = _store().make()
        return super().start()

    def forget(self) -> None:
        """Give the space of the large blobs back, which are never asked for again."""
        bucket = _store().bucket(self.bucket)
        for page in list(bucket.objects("")):
            bucket.delete([found.name for found in page if not found.name.endswith(("store-id", "/link"))])


class OursObjects(InBucket, Ours):
    """redirects: whether clients are sent to the store."""

    name, column = "ours-objects", "ours"
    redirects = False

    def environment(self) -> dict[str, str]:
        settings = {**_store().settings(self.bucket), "storage_redirect": str(self.redirects).lower()}
        more = {f"DOCKBOARD_{key.upper()}": str(value) for key, value in settings.items()}
        return {**super().environment(), **more}


class OursRedirecting(OursObjects):
    name = "ours-redirecting"
    redirects = True


class DistributionObjects(InBucket, Distribution):
    name, column = "distribution-objects", "distribution"

    def _config(self) -> Path:
        from tests.support import object_stores

        keys = {"access_key": object_stores.ACCESS_KEY, "secret_key": object_stores.SECRET_KEY}
        path = self.root / "config.yml"
        where = {"endpoint": _store().endpoint, "bucket": self.bucket, "port": self.port}
        path.write_text(PEER_CONFIG.format(**keys, **where))
        return path


class OursOnSink(Ours):
    """Its store drops what it gets, so that pushes of any size need no room."""

    name = "ours-on-sink"

    def start(self) -> Server:
        self.sink = Sink()
        return super().start()

    def stop(self) -> None:
        super().stop()
        self.sink.close()

    def environment(self) -> dict[str, str]:
        more = {f"DOCKBOARD_{key.upper()}": str(value) for key, value in self.sink.settings().items()}
        return {**super().environment(), **more}


OBJECTS = {kind.name: kind for kind in (OursObjects, OursRedirecting, DistributionObjects, OursOnSink)}
