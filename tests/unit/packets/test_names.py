"""natfix/packets/names.py: sets of interface names."""

import string

import pytest

from natfix.packets.names import Names


def names(pattern: str, *without: str) -> Names:
    return Names(pattern, frozenset(without))


def test_every_name_is_the_start() -> None:
    assert "eth0" in Names()
    assert "docker0" in Names()


@pytest.mark.parametrize(
    ("pattern", "name", "inside"),
    [
        ("eth0", "eth0", True),
        ("eth0", "eth01", False),
        ("eth+", "eth0", True),
        ("eth+", "eth", True),
        ("eth+", "et", False),
        ("+", "x", True),
        ("", "x", False),
    ],
)
def test_a_plus_at_the_end_stands_for_any_ending(pattern: str, name: str, inside: bool) -> None:  # noqa: FBT001
    assert (name in names(pattern)) is inside


@pytest.mark.parametrize(
    ("have", "pattern", "kept"),
    [
        (names("+"), "eth0", names("eth0")),
        (names("+"), "eth+", names("eth+")),
        (names("eth+"), "+", names("eth+")),
        (names("eth0"), "eth+", names("eth0")),
        (names("eth+"), "eth1+", names("eth1+")),
        (names("eth+"), "docker0", None),
        (names("eth0"), "eth1", None),
        (names("+", "eth0"), "eth0", None),
        (names("+", "eth+"), "eth0", None),
        (names("+", "docker0"), "eth0", names("eth0")),
        (names("+", "eth0", "docker0"), "eth+", names("eth+", "eth0")),
    ],
)
def test_names_are_kept_by_a_pattern(have: Names, pattern: str, kept: Names | None) -> None:
    assert have.within(pattern) == kept


@pytest.mark.parametrize(
    ("have", "pattern", "kept"),
    [
        (names("+"), "eth0", names("+", "eth0")),
        (names("+"), "+", None),
        (names("eth0"), "eth+", None),
        (names("eth0"), "docker0", names("eth0")),
        (names("eth+"), "docker0", names("eth+")),
        (names("+", "eth0"), "eth+", names("+", "eth+")),
        (names("+", "eth+"), "eth0", names("+", "eth+")),
        (names("+", "a"), "b", names("+", "a", "b")),
    ],
)
def test_names_are_excluded_by_a_pattern(have: Names, pattern: str, kept: Names | None) -> None:
    assert have.excluding(pattern) == kept


def test_a_set_without_its_own_pattern_is_empty() -> None:
    assert not names("eth0", "eth+")
    assert names("eth+", "eth0")


def test_a_set_is_within_another_that_excludes_none_of_it() -> None:
    assert names("eth0") <= names("+", "docker0")
    assert names("eth+", "eth0") <= names("eth+", "eth0")
    assert not names("eth+") <= names("eth+", "eth0")
    assert not names("+") <= names("eth+")
    assert names("+", "eth+") <= names("+", "eth0")


@pytest.mark.parametrize(
    ("have", "preferred", "picked"),
    [
        (names("docker0"), ("eth0",), "docker0"),
        (names("+"), (), "eth0"),
        (names("+"), ("ens3",), "ens3"),
        (names("+", "ens+"), ("ens3", "bond0"), "bond0"),
        (names("+", "eth+"), (), "0"),
        (names("cali+"), (), "cali0"),
        (names("eth+", "eth0"), (), "ethx"),
        (names("+", "eth+", "0", "x+"), (), "a"),
    ],
)
def test_the_name_picked_is_one_of_the_set(have: Names, preferred: tuple[str, ...], picked: str) -> None:
    assert have.sample(*preferred) == picked
    assert picked in have


def test_a_name_is_found_behind_any_number_of_excluded_ones() -> None:
    endings = [*string.ascii_lowercase, *string.digits, "_"]
    assert names("e+", *(f"e{ending}" for ending in endings)).sample() == "eth0"
    assert names("e+", "eth0", *(f"e{ending}" for ending in endings)).sample() == "exx"
