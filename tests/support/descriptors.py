"""What a process has open."""

import contextlib
import os


def opened_by(pid: int) -> list[str]:
    """The files, sockets and pipes of a process as Linux names them, without those that it closes at this moment."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return found
