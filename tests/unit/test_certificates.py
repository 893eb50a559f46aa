"""The end of a certificate is read as OpenSSL says it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dockboard_registry import certificates


@pytest.mark.parametrize("days", [1, 90, 20_000])
@pytest.mark.parametrize("kind", ["rsa:2048", "ec"])
def test_the_end_is_the_one_that_openssl_reads(tmp_path: Path, days: int, kind: str):
    made, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    curve = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else []
    what = ["-newkey", kind, *curve, "-nodes", "-keyout", key, "-out", made, "-days", str(days), "-subj", "/CN=here"]
    subprocess.run(["openssl", "req", "-x509", *what], check=True, capture_output=True)
    said = subprocess.run(["openssl", "x509", "-in", made, "-noout", "-enddate"], check=True, capture_output=True)
    wanted = datetime.strptime(said.stdout.decode().strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert certificates.ends_at(made) == int(wanted.timestamp() * 1000)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", b"\xff\x00"])
def test_what_is_no_certificate_has_no_end(tmp_path: Path, content: bytes):
    (tmp_path / "broken.pem").write_bytes(content)
    assert certificates.ends_at(tmp_path / "broken.pem") is None
    assert certificates.ends_at(tmp_path / "none.pem") is None
