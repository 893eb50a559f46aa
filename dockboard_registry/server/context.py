"""What the supervisor hands to each worker process."""

import mmap
import socket
import struct
import time
from dataclasses import dataclass

HEARTBEAT = struct.Struct("d")


@dataclass(frozen=True)
class WorkerContext:
    """One worker's place among its siblings. All but `slot` is the same for all of them.

    `board` is memory that all workers and the supervisor share. It begins with one heartbeat for each slot:
    time.monotonic() as a double, written every 5 seconds by the worker's event loop.
    """

    slot: int
    # Random, new at each start of the supervisor: tells this run's processes from those before.
    server_start: str
    # Of the store that this run serves, as its marker had it at the start.
    store_id: str
    listeners: list[socket.socket]
    metrics_listeners: list[socket.socket]
    # Read end of a pipe that only the supervisor could write to: readable, at its end, means that the supervisor is
    # gone.
    parent_alive: int
    board: mmap.mmap

    def ready(self) -> None:
        """Say that this worker serves.

        It is the first heartbeat; the supervisor kills a worker that has none for 30 s.
        """
        HEARTBEAT.pack_into(self.board, self.slot * HEARTBEAT.size, time.monotonic())


def last_beat(board: mmap.mmap, slot: int) -> float:
    """time.monotonic() of the slot's last heartbeat; 0.0 when its worker is not ready yet."""
    return HEARTBEAT.unpack_from(board, slot * HEARTBEAT.size)[0]


def clear_beat(board: mmap.mmap, slot: int) -> None:
    """Forget the heartbeat of the slot's last worker."""
    HEARTBEAT.pack_into(board, slot * HEARTBEAT.size, 0.0)
