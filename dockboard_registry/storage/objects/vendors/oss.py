"""The requests of Alibaba Cloud's OSS: those of S3 with other signatures and other names of header fields."""

from collections.abc import Mapping

from ..signers import oss
from ..signers.forms import Place, Query
from .s3 import URL_SECONDS, ChecksumS3


class OSS(ChecksumS3):
    """Signatures have version 4. They name the bucket, also where the host already does."""

    absent: Mapping[str, str] = {"x-oss-forbid-overwrite": "true"}
    checksum_field = "x-oss-hash-crc64ecma"

    def _target(self, where: Place) -> str:
        query = oss.bare_query(where.query)
        return super()._target(where._replace(query=())) + (f"?{query}" if query else "")

    def _fields(
        self, method: str, name: str | None, query: Query, fields: Mapping[str, str], length: int | None
    ) -> Mapping[str, str]:
        place = self._inside(name, self._place.of(name, query))
        return oss.signed_fields(method, place, self._place.bucket, fields, self._credentials.now(), self._place.region)

    def _query(self, name: str, query: Query) -> str:
        place = self._inside(name, self._place.for_clients(name, query))
        return oss.signed_query(
            "GET", place, self._place.bucket, self._credentials.now(), self._place.region, URL_SECONDS
        )

    def _inside(self, name: str | None, place: Place) -> Place:
        """With the path below the bucket."""
        return place._replace(path="/" if name is None else f"/{self._place.prefix}{name}")
