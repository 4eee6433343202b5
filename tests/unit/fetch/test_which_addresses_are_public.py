"""Held against Python's own list of what is global."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.fetch.address import NOT_PUBLIC_V4, NOT_PUBLIC_V6, Reach
from infra.settings import BadSetting

PUBLIC = Reach()


@given(st.ip_addresses())
def test_what_python_does_not_call_global_is_not_permitted(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert address.is_global or not PUBLIC.permits(str(address))


@pytest.mark.parametrize("network", [*NOT_PUBLIC_V4, *NOT_PUBLIC_V6], ids=str)
def test_a_network_is_shut_from_its_first_address_to_its_last(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    assert not PUBLIC.permits(str(network[0]))
    assert not PUBLIC.permits(str(network[-1]))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.0", "100.63.255.255", "2606:4700::1111"]
)
def test_the_public_internet_is_permitted(address: str) -> None:
    assert PUBLIC.permits(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "127.0.0.1 ", "::1%lo", "1.2.3.4.5"])
def test_what_is_no_address_is_not_permitted(text: str) -> None:
    assert not PUBLIC.permits(text)


def test_a_setting_adds_networks_and_nothing_beside_them() -> None:
    reach = Reach.with_networks(["10.1.0.0/16", "fd00:1::/32"])
    assert [reach.permits(one) for one in ("10.1.2.3", "fd00:1::7", "8.8.8.8")] == [True] * 3
    assert [reach.permits(one) for one in ("10.2.0.1", "127.0.0.1", "fd00:2::7", "::ffff:10.1.2.3")] == [False] * 4


def test_a_setting_that_is_no_network_is_named_without_its_value() -> None:
    with pytest.raises(BadSetting, match=r"fetch\.networks") as caught:
        Reach.with_networks(["10.1.2.3/16"])
    assert "10.1" not in str(caught.value).replace("like 10.1.0.0/16", "")
