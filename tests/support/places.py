"""Where tests keep their files: in memory, if there is enough. Most tests make, sync and remove hundreds of files."""

import os
import shutil

# Containers often have 64 MiB there.
_ENOUGH = 4 << 30
_MEMORY = "/dev/shm"


def _enough() -> bool:
    return os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH


MEMORY = _MEMORY if _enough() else None
"""A directory in memory. None if there is too little: tempfile takes that for the system's own directory."""
