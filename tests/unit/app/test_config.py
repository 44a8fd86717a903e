"""The settings file: strict, and every error says what to write instead."""

import pytest

from natfix.app.config import CONFIG_PATH, Config, HistoryConfig, WatchConfig, parse_config
from natfix.errors import ConfigError


def refusal(text: bytes) -> str:
    with pytest.raises(ConfigError) as error:
        parse_config(text, CONFIG_PATH)
    return str(error.value)


def test_the_cluster_cidrs_are_read() -> None:
    config = parse_config(b'cluster-cidr = ["172.7.0.0/16", "fd00:7::/48"]', CONFIG_PATH)
    assert [str(network) for network in config.cluster_cidrs] == ["172.7.0.0/16", "fd00:7::/48"]
    assert config.source == "/etc/natfix/natfix.toml"


def test_an_empty_file_says_nothing() -> None:
    assert parse_config(b"# not yet\n", CONFIG_PATH) == Config()


def test_an_unknown_key_is_refused_with_those_that_are_known() -> None:
    assert refusal(b"cluster_cidr = []") == (
        "/etc/natfix/natfix.toml: unknown key cluster_cidr\n  Known keys: cluster-cidr, watch, history, suppress."
    )


@pytest.mark.parametrize("value", [b'"172.7.0.0/16"', b"[16]", b'["172.7.0.0/16", 1]', b"true", b"{ ipv4 = 1 }"])
def test_a_wrong_type_is_refused_with_the_right_one(value: bytes) -> None:
    assert refusal(b"cluster-cidr = " + value) == (
        '/etc/natfix/natfix.toml: cluster-cidr must be a list of texts\n  Write it as: cluster-cidr = ["172.7.0.0/16"]'
    )


def test_an_unaligned_network_is_refused_with_the_place_and_the_aligned_form() -> None:
    assert refusal(b'cluster-cidr = ["172.7.11.0/16"]') == (
        "/etc/natfix/natfix.toml: cluster-cidr: 172.7.11.0/16 has host bits; did you mean 172.7.0.0/16?"
    )


def test_every_address_is_refused() -> None:
    assert "0.0.0.0/0 is every address, not a cluster" in refusal(b'cluster-cidr = ["0.0.0.0/0"]')


@pytest.mark.parametrize("text", [b"cluster-cidr = [", b"\xff", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused_by_name(text: bytes) -> None:
    assert refusal(text).startswith("/etc/natfix/natfix.toml is no TOML: ")


def test_the_watcher_has_a_table_of_its_own() -> None:
    config = parse_config(b"[watch]\ninterval = 30\nlongest-pause = 2.5\n", "x")
    assert config.watch == WatchConfig(30.0, 2.5)
    assert parse_config(b"", "x").watch == WatchConfig(None, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"watch = 1", "watch must be a table"),
        (b"[watch]\npause = 1", "watch: unknown key pause"),
        (b"[watch]\ninterval = 0", "interval must be a number of seconds"),
        (b"[watch]\ninterval = true", "interval must be a number of seconds"),
        (b'[watch]\ninterval = "60"', "interval must be a number of seconds"),
        (b"[watch]\nlongest-pause = 1000000", "longest-pause must be a number of seconds"),
    ],
)
def test_what_the_watcher_cannot_do_is_refused(text: bytes, problem: str) -> None:
    assert problem in refusal(text)


def test_the_history_has_a_table_of_its_own() -> None:
    assert parse_config(b"[history]\nkeep = 500\n", "x").history == HistoryConfig(500)
    assert parse_config(b"[history]\n", "x").history == HistoryConfig(None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"history = 100", "history must be a table"),
        (b"[history]\nkeeps = 1", "history: unknown key keeps"),
        (b"[history]\nkeep = 0", "keep must be a whole number, 1 to 10000"),
        (b"[history]\nkeep = 1.5", "keep must be a whole number"),
        (b"[history]\nkeep = true", "keep must be a whole number"),
        (b"[history]\nkeep = 10001", "keep must be a whole number"),
    ],
)
def test_what_the_history_cannot_keep_is_refused(text: bytes, problem: str) -> None:
    assert problem in refusal(text)
