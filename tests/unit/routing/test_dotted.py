"""natfix/routing/dotted.py: IPv4 addresses, as ipaddress reads them."""

from ipaddress import AddressValueError, IPv4Address

import pytest

from natfix.routing.dotted import read_dotted


@pytest.mark.parametrize("text", ["0.0.0.0", "10.4.7.21", "172.7.21.0", "255.255.255.255"])  # noqa: S104  (no socket)
def test_addresses_are_read(text: str) -> None:
    assert read_dotted(text) == int(IPv4Address(text))


@pytest.mark.parametrize(
    "text", ["", "10.4.7", "10.4.7.21.0", "10.4.7.256", "010.4.7.21", "1_0.4.7.21", "१0.4.7.21", " 10.4.7.21", "+1.4.7.2"]
)
def test_what_ipaddress_refuses_is_refused_with_its_words(text: str) -> None:
    with pytest.raises(AddressValueError) as expected:
        IPv4Address(text)
    with pytest.raises(AddressValueError) as error:
        read_dotted(text)
    assert str(error.value) == str(expected.value)
