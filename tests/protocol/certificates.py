"""Self-made certificates, by the openssl program."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from tests.support.tools import tool


def make_certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key (mode 0600), as two PEM files."""
    directory.mkdir(parents=True, exist_ok=True)
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    where = [
        "-subj",
        f"/CN={name}",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([str(tool("openssl")), *command, *where], check=True, capture_output=True)
    key.chmod(0o600)
    return certificate, key


def trusting(*certificates: Path) -> ssl.SSLContext:
    """A client's context that trusts these certificates and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for certificate in certificates:
        context.load_verify_locations(certificate)
    return context
