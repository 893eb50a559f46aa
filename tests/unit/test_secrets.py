"""Secrets of tokens, and the names under which failed logins are counted."""

import re
import zlib

import pytest

from dockboard_registry.domain.credentials import access_tokens
from dockboard_registry.domain.credentials.throttle import network_key


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [("192.0.2.1", "192.0.2.2", False), ("2001:db8::1", "2001:db8::ffff:1", True), ("2001:db8::1", "2001:db8:0:1::1",
     False),
     ("::ffff:192.0.2.1", "192.0.2.1", True), ("fe80::1%eth0", "fe80::2%eth1", True), ("nonsense", "", True)],
)  # fmt: skip
def test_networks_are_addresses_or_the_64_bits_of_a_customer(one, two, same):
    assert (network_key(one) == network_key(two)) == same


def test_secrets_are_random_and_can_be_told_from_other_text():
    made = {access_tokens.make_secret(prefix) for prefix in ("dbr_", "dbk_") for _ in range(500)}
    assert len(made) == 1000
    for secret in made:
        assert re.fullmatch(r"db[rk]_[0-9A-Za-z]{46}", secret) and access_tokens.is_secret(secret)
        # The checksum by the documents, and not by the code: CRC-32 in base62, most significant digit first.
        number = 0
        for character in secret[-6:]:
            number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(character)
        assert number == zlib.crc32(secret[:-6].encode())
        changed = secret[:10] + ("a" if secret[10] != "a" else "b") + secret[11:]
        assert not access_tokens.is_secret(changed)
    for text in ("", "dbr_", "dbr_" + "a" * 46, next(iter(made)) + "\n", "x" + next(iter(made))):
        assert not access_tokens.is_secret(text)
