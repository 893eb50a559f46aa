"""Hashes of htpasswd files: which of them can be taken over, and whether a password is right for one.

The system's libcrypt computes bcrypt and sha512-crypt, if it knows them. Otherwise passlib computes them in pure
Python, where bcrypt takes 80 times as long. Nothing here may be called in the event loop.
"""

import functools
import hmac
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_PREFIXES = {
    "bcrypt": ("$2a$", "$2b$", "$2y$"),
    "sha512_crypt": ("$6$",),
    "apr_md5_crypt": ("$apr1$",),
    "ldap_sha1": ("{SHA}",),
}
_WHOLE = {
    # Cost, salt, checksum.
    "bcrypt": re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})", re.A),
    # Rounds.
    "sha512_crypt": re.compile(r"\$6\$(?:rounds=([1-9][0-9]{3,8})\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{86}", re.A),
    "apr_md5_crypt": re.compile(r"\$apr1\$[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}", re.A),
    "ldap_sha1": re.compile(r"\{SHA\}[A-Za-z0-9+/]{27}=", re.A),
}
_ROUNDS_UNSAID = 5000  # of sha512-crypt
# Seconds that one hash may take: at the import, and at a login, which may run on another or a busy machine.
MOST_SECONDS, _MOST_AT_LOGIN = 2.0, 8.0
# bcrypt ignores what comes after so many bytes. Two passwords that differ only there would be equal.
_BCRYPT_BYTES = 72
_CHECKSUM = 31
# The longest password of which a hash is computed. sha512-crypt takes ten times as long for it as for a short one, and
# a guess may be as long.
MOST_BYTES = 1024
# By which the time of a hash is estimated: a hash, its rounds, and the length of the password that takes longest.
_SAMPLES = {
    "bcrypt": ("$2b$04$" + "C" * 21 + "." * 32, 1 << 4, _BCRYPT_BYTES),
    "sha512_crypt": ("$6$rounds=1000$salt$" + "." * 86, 1000, MOST_BYTES),
    "apr_md5_crypt": ("$apr1$salt$" + "." * 22, 1, MOST_BYTES),
}
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)
_ROOM = 256 << 10  # struct crypt_data has at most 131,232 bytes in known systems
_PROOF = b"U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.", "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
# Seconds for which a thread that computes in Python keeps the interpreter from others. The default is 5 ms.
_SLICE_SECONDS = 0.0005
_loading = threading.Lock()


def kind_of(stored: str) -> str | None:
    return next((kind for kind, prefixes in _PREFIXES.items() if stored.startswith(prefixes)), None)


def refusal(stored: str) -> str | None:
    """Why this hash can't be taken over, and what to do. None if it can."""
    if kind_of(stored) is None:
        return "the hash is not bcrypt, sha512-crypt, apr1 or SHA1; make a new one with htpasswd -B"
    took = seconds(stored)
    if took is None:
        return "the hash is damaged"
    if took > MOST_SECONDS:
        more = (
            f"at a login this machine would need up to {took:,.0f} s for the hash, and {MOST_SECONDS:.0f} s are the"
            " most"
        )
        return (
            f"{more}; make a new one with a lower cost (htpasswd -B -C 5), or make the account with user add and let"
            " its owner set a password (user reset)"
        )
    return None


def seconds(stored: str) -> float | None:
    """About how long this machine needs for the hash and the slowest password. None if it can't take the hash over."""
    kind = kind_of(stored)
    found = kind and _WHOLE[kind].fullmatch(stored)
    if not found:
        return None
    return _rounds(kind, found) * _seconds_per_round(kind) if kind in _SAMPLES else 0.0


def _rounds(kind: str, found: re.Match) -> int:
    if kind == "bcrypt":
        return 1 << int(found[1])
    return int(found[1] or _ROUNDS_UNSAID) if kind == "sha512_crypt" else 1


def slowest(hashes: list[str]) -> float:
    """The seconds of the slowest hash that a login computes."""
    return max((took for took in map(seconds, hashes) if took is not None and took <= _MOST_AT_LOGIN), default=0.0)


def verify(password: bytes, stored: str) -> bool | None:
    """Whether this is the password.

    None if this machine can't tell: the hash is of another kind, or would take too long.
    """
    took = seconds(stored)
    return None if took is None or took > _MOST_AT_LOGIN else _is_right(password, stored)


def load() -> dict[str, Any]:
    """passlib's classes by name.

    One thread at a time, because a second thread could see passlib's modules half imported.
    """
    with _loading:
        return _loaded()


@functools.cache
def _loaded() -> dict[str, Any]:
    """Importing the classes takes 40 ms and more."""
    from passlib.hash import apr_md5_crypt, ldap_sha1, sha512_crypt

    return {"sha512_crypt": sha512_crypt, "apr_md5_crypt": apr_md5_crypt, "ldap_sha1": ldap_sha1}


def _is_right(password: bytes, stored: str) -> bool:
    """For a hash of a valid form."""
    kind = kind_of(stored)
    if kind == "bcrypt":
        cost, salt, checksum = _WHOLE[kind].fullmatch(stored).groups()
        return len(password) <= _BCRYPT_BYTES and hmac.compare_digest(_bcrypt(password, cost, salt), checksum)
    crypt = _libcrypt()
    found = crypt(password, stored) if kind == "sha512_crypt" and crypt is not None else ""
    if not found.startswith(_PREFIXES["sha512_crypt"]):
        return load()[kind].verify(password, stored)
    return hmac.compare_digest(found.rpartition("$")[2], stored.rpartition("$")[2])


def _bcrypt(password: bytes, cost: str, salt: str) -> str:
    """The checksum.

    The letters a, b and y of a hash mean the same for passwords of at most 72 bytes, and some libraries know only one
    of them.
    """
    crypt = _libcrypt()
    if crypt is not None:
        return crypt(password, f"$2y${cost}${salt}")[-_CHECKSUM:]
    with _loading:
        from passlib.crypto._blowfish import raw_bcrypt

    sys.setswitchinterval(_SLICE_SECONDS)
    return raw_bcrypt(password, "2b", salt.encode(), int(cost)).decode()


@functools.cache
def _libcrypt() -> Callable[[bytes, str], str] | None:
    """The system's crypt_r(3), if it knows bcrypt. Python's own module for it ended with 3.12.

    Other threads go on while it computes.
    """
    import ctypes

    for library in _LIBRARIES:
        try:
            function = ctypes.CDLL(library).crypt_r
        except (OSError, AttributeError, TypeError):
            continue
        function.restype, function.argtypes = ctypes.c_char_p, (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
        password, setting, checksum = _PROOF

        def crypt(password: bytes, setting: str) -> str:
            """Empty if it fails."""
            return (function(password, setting.encode(), ctypes.create_string_buffer(_ROOM)) or b"").decode(
                "ascii", "replace"
            )

        if crypt(password, setting)[-_CHECKSUM:] == checksum:
            return crypt
    return None


@functools.cache
def _seconds_per_round(kind: str) -> float:
    """The fastest of three runs, because other programs may disturb one."""
    stored, rounds, length = _SAMPLES[kind]
    longest = b"x" * length
    _is_right(longest, stored)
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        _is_right(longest, stored)
        took.append(time.perf_counter() - begun)
    return min(took) / rounds
