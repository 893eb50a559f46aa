"""For which client code works: whoever has many addresses of one network is one client."""

import pytest

from dockboard_registry.clients import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("a name", "unknown"),
    ],
)
def test_a_network_is_an_address_or_the_part_of_ipv6_that_one_customer_has(address, network):
    assert network_of(address) == network
