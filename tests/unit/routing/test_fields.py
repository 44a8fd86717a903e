"""natfix/routing/fields.py: JSON objects as Go reads them."""

import pytest

from natfix.errors import ConfigError
from natfix.routing.fields import Fields, read_json
from natfix.ruleset import Family


def fields(text: str) -> Fields:
    return Fields.parse(text, "the file")


def problem(call: object) -> str:
    with pytest.raises(ConfigError) as error:
        call()  # type: ignore[operator]
    return error.value.message


@pytest.mark.parametrize("name", ["Network", "network", "NETWORK", "nEtWoRk"])
def test_a_name_is_found_in_any_case(name: str) -> None:
    assert fields(f'{{"{name}": "x"}}').text("Network") == "x"


@pytest.mark.parametrize(
    "text",
    [
        '{"Name": "first", "Name": "last"}',
        '{"Name": "first", "name": "last"}',
        '{"Name": "first", "name": "second", "Name": "last"}',
        '{"name": "first", "Name": "second", "name": "last"}',
    ],
)
def test_of_names_alike_the_last_counts(text: str) -> None:
    assert fields(text).text("Name") == "last"


def test_what_is_absent_or_null_says_nothing() -> None:
    said = fields('{"There": null}')
    for name in ("There", "Absent"):
        assert said.value(name) is None
        assert said.text(name) == ""
        assert said.integer(name, 7) == 7
        assert said.boolean(name, default=True) is True
        assert said.address(name, Family.IPV4) is None
        assert said.network(name, Family.IPV6) is None


def test_values_are_read() -> None:
    said = fields('{"N": 24, "B": false, "A": "10.4.7.21", "A6": "fd00::1", "W": "172.7.5.9/16", "W6": "fd00:7::1/48"}')
    assert said.integer("n", 0) == 24
    assert said.boolean("b", default=True) is False
    assert str(said.address("a", Family.IPV4)) == "10.4.7.21"
    assert str(said.address("a6", Family.IPV6)) == "fd00::1"
    assert str(said.network("w", Family.IPV4)) == "172.7.0.0/16"
    assert str(said.network("w6", Family.IPV6)) == "fd00:7::/48"


@pytest.mark.parametrize("value", ['"24"', "24.0", "2e1", "true", "[]", "{}"])
def test_what_is_no_whole_number_is_refused(value: str) -> None:
    assert "is no whole number" in problem(lambda: fields(f'{{"n": {value}}}').integer("N", 0))


@pytest.mark.parametrize("value", ['"true"', "1", "0", "[]"])
def test_what_is_neither_true_nor_false_is_refused(value: str) -> None:
    assert "is neither true nor false" in problem(lambda: fields(f'{{"b": {value}}}').boolean("B", default=True))


def test_an_error_names_the_field_as_it_is_written_and_what_it_says() -> None:
    assert problem(lambda: fields('{"kEy": 5}').text("Key")) == "the file: kEy 5 is no text in quotes"


@pytest.mark.parametrize("text", ["10.4.7", "10.4.7.256", "010.4.7.21", "fd00::1"])
def test_what_is_no_address_of_ipv4_is_refused(text: str) -> None:
    assert "is no IPv4 address" in problem(lambda: fields(f'{{"a": "{text}"}}').address("A", Family.IPV4))


@pytest.mark.parametrize("text", ["10.4.7.21", "fd00::1::", "fe80::1%eth0"])
def test_what_is_no_address_of_ipv6_is_refused(text: str) -> None:
    assert "is no IPv6 address" in problem(lambda: fields(f'{{"a": "{text}"}}').address("A", Family.IPV6))


@pytest.mark.parametrize(
    "text", ["172.7.0.0", "172.7.0.0/", "172.7.0.0/255.255.0.0", "172.7.0.0/x", "172.7.0.0/-1", "172.7.0.0/१६"]
)
def test_a_network_needs_a_prefix_length(text: str) -> None:
    assert "has no prefix length" in problem(lambda: fields(f'{{"n": "{text}"}}').network("N", Family.IPV4))


@pytest.mark.parametrize(
    ("text", "family"),
    [("172.7.0.0/33", Family.IPV4), ("172.7/16", Family.IPV4), ("fd00::/48", Family.IPV4), ("172.7.0.0/16", Family.IPV6)],
)
def test_what_is_no_network_of_the_family_is_refused(text: str, family: Family) -> None:
    assert f"is no IPv{family} network" in problem(lambda: fields(f'{{"n": "{text}"}}').network("N", family))


@pytest.mark.parametrize("text", ["fe80::%eth0/64", "fd00::/129"])
def test_a_network_of_ipv6_has_no_zone_and_a_length_that_fits(text: str) -> None:
    assert "is no IPv6 network" in problem(lambda: fields(f'{{"n": "{text}"}}').network("N", Family.IPV6))


@pytest.mark.parametrize("text", ["[1]", "1", '"text"', "null"])
def test_what_is_no_object_is_refused(text: str) -> None:
    assert "is no JSON object" in problem(lambda: fields(text))


def test_a_text_that_is_no_json_is_refused_with_the_place() -> None:
    with pytest.raises(ConfigError, match=r"the file is no JSON: Expecting value: line 1 column 12") as error:
        read_json('{"Network":}', "the file")
    assert error.value.hint == 'It says: "{\\"Network\\":}"'


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "[" * 100_000, b"\xff\xff\xff", "9" * 5000])
def test_what_go_could_not_read_is_no_json(text: str | bytes) -> None:
    with pytest.raises(ConfigError, match="the file is no JSON"):
        read_json(text, "the file")


def test_a_long_value_is_cut_in_an_error() -> None:
    said = problem(lambda: fields(f'{{"n": "{"x" * 500}"}}').integer("N", 0))
    assert len(said) < 200
    assert "…" in said


def test_names_that_say_nothing_are_told_as_they_are_written() -> None:
    assert fields('{"TYPE": 1, "Vnii": 2}').unknown(("Type", "VNI")) == ("Vnii",)
