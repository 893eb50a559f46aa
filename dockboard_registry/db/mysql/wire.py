"""The answer to one COM_QUERY of one statement, taken as its bytes come: dev.mysql.com/doc/dev/mysql-server, "Text
Resultset".

PyMySQL reads it from a blocking socket, packet by packet; in an event loop that takes a thread, which costs more than
the query.
Column definitions are looked at only for what decides how a value is read: their type and their character set.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.err import raise_mysql_exception

from .. import Row

COM_QUERY = b"\x03"
_LARGEST = 0xFFFFFF  # a packet of this length goes on in the next one
_ERROR, _OK, _EOF, _NULL = 0xFF, 0x00, 0xFE, 0xFB
_BINARY = 63
_NUMBERS = {
    FIELD_TYPE.TINY,
    FIELD_TYPE.SHORT,
    FIELD_TYPE.LONG,
    FIELD_TYPE.INT24,
    FIELD_TYPE.LONGLONG,
    FIELD_TYPE.NEWDECIMAL,
}
_LENGTHS = {0xFC: struct.Struct("<H"), 0xFE: struct.Struct("<Q")}


class Unreadable(Exception):
    """This module does not know such an answer. Ask again through PyMySQL."""


def command(sql: bytes) -> bytes:
    """The packet that asks. Raises Unreadable if the statement is too long for one packet."""
    if len(sql) + 1 >= _LARGEST:
        raise Unreadable
    return (len(sql) + 1).to_bytes(3, "little") + b"\0" + COM_QUERY + sql


class Layout(NamedTuple):
    """The bytes with which an answer to a statement begins, up to its first row, and how its values are read."""

    start: bytes
    readers: list[Callable[[bytearray], Any]]


class Answer:
    """feed() takes bytes until it returns True.

    Then `rows` has the result set, and `layout` the beginning of the next answer.
    """

    def __init__(self, expected: Layout | None = None):
        self.rows: list[Row] = []
        self.layout = expected
        self._data = bytearray()
        self._at = 0
        self._columns = -1
        self._readers: list[Callable[[bytearray], Any]] = []
        self._take = self._head

    @property
    def length(self) -> int:
        """The bytes that have come so far."""
        return len(self._data)

    def feed(self, data: bytes) -> bool:
        """Raises pymysql.Error as the server reports one, Unreadable."""
        if not self._data and self.layout and data.startswith(self.layout.start):
            self._at, self._readers, self._take = len(self.layout.start), self.layout.readers, self._row
        self._data += data
        end = len(self._data)
        while end - self._at >= 4:
            size = int.from_bytes(self._data[self._at : self._at + 3], "little")
            if size == _LARGEST:
                raise Unreadable
            start = self._at + 4
            if end - start < size:
                return False
            self._at = start + size
            if self._take(start, self._at):
                return True
        return False

    def _head(self, start: int, stop: int) -> bool:
        if self._data[start - 1] != 1:
            # Not an answer: the server ends the connection (number 0) at the moment of the question.
            raise Unreadable
        first = self._data[start]
        if first == _ERROR:
            raise_mysql_exception(bytes(self._data[start:stop]))
        if first == _OK or first >= _NULL:
            raise Unreadable
        self._columns = first
        self._take = self._column
        return False

    def _column(self, start: int, stop: int) -> bool:
        """A column's definition ends in: 0x0c, character set (2 bytes), length (4), type (1), flags (2), decimals (1),
        filler (2).
        """
        if len(self._readers) == self._columns:
            self.layout = Layout(bytes(self._data[:stop]), self._readers)
            self._take = self._row
            return False
        charset, kind = int.from_bytes(self._data[stop - 12 : stop - 10], "little"), self._data[stop - 6]
        self._readers.append(_reader(kind, charset))
        return False

    def _row(self, start: int, stop: int) -> bool:
        first = self._data[start]
        if first == _EOF and stop - start < 9:
            return True
        if first == _ERROR:
            raise_mysql_exception(bytes(self._data[start:stop]))
        values, at = [], start
        for read in self._readers:
            size, at = _length(self._data, at)
            values.append(None if size is None else read(self._data[at : at + size]))
            at += size or 0
        self.rows.append(tuple(values))
        return False


def _length(data: bytearray, at: int) -> tuple[int | None, int]:
    """(a length-encoded integer or None for NULL, the place after it)."""
    first = data[at]
    if first < _NULL:
        return first, at + 1
    if first == _NULL:
        return None, at + 1
    if first == 0xFD:
        return int.from_bytes(data[at + 1 : at + 4], "little"), at + 4
    layout = _LENGTHS[first]
    return layout.unpack_from(data, at + 1)[0], at + 1 + layout.size


def _reader(kind: int, charset: int) -> Callable[[bytearray], Any]:
    if kind in _NUMBERS:
        return _number
    if charset == _BINARY:
        return bytes
    return bytearray.decode


def _number(text: bytearray) -> Any:
    return int(text) if b"." not in text else pymysql.converters.decoders[FIELD_TYPE.NEWDECIMAL](text.decode())
