"""TLS of the registry's own listener: `serve` uses the certificate with its key, `config check` tries them."""

import ssl
from pathlib import Path

from ..config.options import ServerConfig
from ..errors import StartError
from ..wording import why

_MISMATCH = (
    "the key does not belong to the certificate: name the file with the key that the certificate was made for; in a"
    " chain the server's own certificate comes first"
)
# OpenSSL's name of the error -> what it means here.
_REASONS = {
    "KEY_VALUES_MISMATCH": _MISMATCH,
    "KEY_TYPE_MISMATCH": _MISMATCH,
    # If the key is of another kind, as RSA beside P-256.
    "NO_CERTIFICATE_ASSIGNED": _MISMATCH,
    "EE_KEY_TOO_SMALL": (
        "the key of the certificate is too short to be safe: make one with RSA of 2048 bits or more, or with P-256"
    ),
    "CA_MD_TOO_WEAK": "the certificate is signed with a hash that is not safe any more: make one with SHA-256",
}


def context(server: ServerConfig) -> ssl.SSLContext | None:
    """TLS 1.2 or later with Python's choice of ciphers, without compression and renegotiation. None without a
    certificate.

    The client's preferred cipher is taken, because the client knows its processor; programs in Go prefer AES-128.
    Raises StartError with the reason if certificate and key can't be used together.
    """
    if not server.tls_certificate:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    made.set_alpn_protocols(["http/1.1"])
    try:
        # Without this function OpenSSL would ask for a key's password on the terminal.
        made.load_cert_chain(server.tls_certificate, server.tls_key, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise StartError(
            f"can't use server.tls_certificate {server.tls_certificate} with server.tls_key {server.tls_key}:"
            f" {_words(error, server)}"
        ) from None
    return made


def _words(error: OSError | ValueError, server: ServerConfig) -> str:
    """The reason in words. If OpenSSL only says that it can't read a file, say what the file lacks."""
    if not isinstance(error, ssl.SSLError):
        return why(error)
    if known := _REASONS.get(error.reason or ""):
        return known
    certificate, key = (Path(name).read_bytes() for name in (server.tls_certificate, server.tls_key))
    if b"CERTIFICATE-----" not in certificate:
        return "server.tls_certificate is not PEM: its file has to hold -----BEGIN CERTIFICATE-----"
    if b"PRIVATE KEY-----" not in key:
        return "server.tls_key is not PEM: its file has to hold -----BEGIN PRIVATE KEY-----"
    if b"ENCRYPTED" in key:
        return (
            "the key has a password, which nobody can type when the server starts: remove it with `openssl pkey -in OLD"
            " -out NEW`"
        )
    return f"one of them is damaged ({(error.reason or 'not readable').lower().replace('_', ' ')})"
