"""What the client of an object store reports (outbound.client.Observer), in a part of the worker's row on the board."""

import threading
from collections.abc import Callable, Iterator

from .exposition import head, sample

_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
_OUTCOMES = ("2xx", "3xx", "4xx", "5xx", "none")
# Of each method: a count for each outcome, then seconds, bytes sent and bytes received.
_SECONDS, _SENT, _RECEIVED = range(len(_OUTCOMES), len(_OUTCOMES) + 3)
_METHOD = _RECEIVED + 1
_RETRIES = len(_METHODS) * _METHOD
_BROKEN = _RETRIES + 1
CELLS = _BROKEN + 1


class StoreMetrics:
    """CELLS cells from `base`. Any thread reports."""

    def __init__(self, cells: memoryview, base: int):
        self._cells, self._base = cells, base
        self._lock = threading.Lock()
        self._cells[base + _BROKEN] = 0.0

    def answered(self, method: str, status: int, seconds: float, sent: int) -> None:
        row = _row(method)
        with self._lock:
            self._cells[self._base + row + min(max(status // 100 - 2, 0), 3)] += 1.0
            self._cells[self._base + row + _SECONDS] += seconds
            self._cells[self._base + row + _SENT] += sent

    def failed(self, method: str) -> None:
        self._add(_row(method) + len(_OUTCOMES) - 1, 1.0)

    def received(self, method: str, count: int) -> None:
        self._add(_row(method) + _RECEIVED, count)

    def retried(self) -> None:
        self._add(_RETRIES, 1.0)

    def broken(self, is_open: bool) -> None:
        with self._lock:
            self._cells[self._base + _BROKEN] = float(is_open)

    def _add(self, cell: int, amount: float) -> None:
        with self._lock:
            self._cells[self._base + cell] += amount


def _row(method: str) -> int:
    return _METHODS.index(method) * _METHOD


def lines(sum_of: Callable[[int], float]) -> Iterator[str]:
    """All workers' figures. sum_of(cell) adds up one cell of all."""
    yield from head("store_requests_total", "counter", "Attempts to ask the object store, by method and answer.")
    for method in _METHODS:
        for at, outcome in enumerate(_OUTCOMES):
            yield sample("store_requests_total", sum_of(_row(method) + at), method=method, answer=outcome)
    for name, cell, help in (
        ("store_seconds_total", _SECONDS, "Time until the object store's answers, by method."),
        ("store_sent_bytes_total", _SENT, "Bytes sent to the object store, by method."),
        ("store_received_bytes_total", _RECEIVED, "Bytes of objects that the object store sent, by method."),
    ):
        yield from head(name, "counter", help)
        yield from (sample(name, sum_of(_row(method) + cell), method=method) for method in _METHODS)
    yield from head("store_retries_total", "counter", "Requests to the object store that were sent again.")
    yield sample("store_retries_total", sum_of(_RETRIES))
    yield from head("store_given_up", "gauge", "Workers that ask the object store only now and then.")
    yield sample("store_given_up", sum_of(_BROKEN))
