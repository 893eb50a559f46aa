"""The requests of Tencent Cloud's COS: those of S3 with other signatures and other names of header fields."""

from collections.abc import Mapping

from ..signers import cos
from ..signers.forms import Query
from .answers import Node
from .s3 import URL_SECONDS, ChecksumS3


class COS(ChecksumS3):
    """Lists are those of S3's first version, which go on after a marker."""

    absent: Mapping[str, str] = {"x-cos-forbid-overwrite": "true"}
    checksum_field = "x-cos-hash-crc64ecma"

    def _fields(
        self, method: str, name: str | None, query: Query, fields: Mapping[str, str], length: int | None
    ) -> Mapping[str, str]:
        place = self._place.of(name, query)
        return cos.signed_fields(method, place, fields, self._credentials.now())

    def _query(self, name: str, query: Query) -> str:
        place = self._place.for_clients(name, query)
        return cos.signed_query("GET", place, self._credentials.now(), URL_SECONDS)

    def _list_of(self, after: str) -> dict[str, str]:
        return {"marker": self._place.prefix + after} if after else {}

    def _next_list(self, found: Node, last: str) -> dict[str, str]:
        """The marker is encoded as the names are; where there is none, the last name is meant."""
        return {"marker": self._place.prefix + last}
