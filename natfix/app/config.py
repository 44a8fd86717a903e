"""What the administrator wrote in /etc/natfix/natfix.toml.

Every key, with what it may hold::

    cluster-cidr = ["172.7.0.0/16", "fd00:7::/48"]      # the networks of all container subnets of all hosts

    [watch]                     # how `natfix watch` treats time
    interval = 60               # seconds from one slow look to the next
    longest-pause = 60          # seconds at most between two corrections of a rule that somebody keeps putting back

    [history]                   # what `natfix history` shows
    keep = 100                  # the newest records that stay whatever they are; older ones stay while they are of use

    [[suppress]]                # a finding to live with; natfix/app/suppressing.py has all its keys
    id = "NAT006"
    reason = "masquerade for the office network"
    until = 2027-03-31

The file is read strictly: a key natfix does not know is an error, for what is misspelt would be ignored for years.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from natfix.app.cidrs import parse_cidrs
from natfix.app.ports import Files
from natfix.errors import ConfigError, UsageError
from natfix.ruleset import Network

if TYPE_CHECKING:
    from natfix.audit import Suppression

CONFIG_PATH: Final = "/etc/natfix/natfix.toml"


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """How the watcher treats time.

    Attributes:
        interval: seconds from one slow look to the next; None when the file does not tell.
        longest_pause: seconds at most between two corrections in a fight; None when the file does not tell.
    """

    interval: float | None = None
    longest_pause: float | None = None


@dataclass(frozen=True, slots=True)
class HistoryConfig:
    """How much is remembered.

    Attributes:
        keep: how many of the newest records stay whatever they are; None when the file does not tell.
    """

    keep: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one host.

    Attributes:
        source: the file they come from, whether or not it is there.
        cluster_cidrs: the cluster's networks; empty when the file does not tell.
        watch: how the watcher treats time.
        history: how much is remembered.
        suppressions: findings that somebody decided to live with.
    """

    source: str = CONFIG_PATH
    cluster_cidrs: tuple[Network, ...] = ()
    watch: WatchConfig = field(default_factory=WatchConfig)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    suppressions: tuple[Suppression, ...] = ()


def read_config(files: Files, path: str = CONFIG_PATH) -> Config:
    """Read the settings; without a file there are none.

    Raises:
        ConfigError: the file says something impossible; names the file, the key and what to write.
        HostError: it is there and cannot be read.
    """
    data = files.read(path)
    return Config(path) if data is None else parse_config(data, path)


def parse_config(data: bytes, source: str) -> Config:
    """Read the text of a settings file.

    Args:
        data: TOML.
        source: a name for it, for errors and origins.

    Raises:
        ConfigError: it says something impossible.
    """
    return Config(source, **_read_table(_load(data, source), _SETTINGS, source))


def _read_table(settings: Mapping[str, object], known: _Known, place: str) -> dict[str, Any]:
    for key in settings:
        if key not in known:
            raise ConfigError(f"{place}: unknown key {key}", hint=f"Known keys: {', '.join(known)}.")
    return {known[key][0]: known[key][1](value, f"{place}: {key}") for key, value in settings.items()}


def _load(data: bytes, source: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  (most hosts have no such file, and this import costs as much as the check of a rule)

    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is no TOML: {error}", hint="The manual shows a whole file.") from error


def _read_cidrs(value: object, place: str) -> tuple[Network, ...]:
    """Read a list of networks.

    Raises:
        ConfigError: it is no list of texts, or a text is no network a cluster can have.
    """
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ConfigError(f"{place} must be a list of texts", hint='Write it as: cluster-cidr = ["172.7.0.0/16"]')
    try:
        return parse_cidrs(value, place)
    except UsageError as error:
        raise ConfigError(error.message, hint=error.hint) from error


def _read_watch(value: object, place: str) -> WatchConfig:
    """Read the table [watch].

    Raises:
        ConfigError: it is no table, or holds something impossible.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{place} must be a table", hint="Write it as: [watch]")
    return WatchConfig(**_read_table(value, _WATCH_SETTINGS, place))


def _read_history(value: object, place: str) -> HistoryConfig:
    """Read the table [history].

    Raises:
        ConfigError: it is no table, or holds something impossible.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{place} must be a table", hint="Write it as: [history]")
    return HistoryConfig(**_read_table(value, _HISTORY_SETTINGS, place))


def _read_suppress(value: object, place: str) -> tuple[Suppression, ...]:
    from natfix.app.suppressing import read_suppressions  # noqa: PLC0415  (most hosts have none)

    return read_suppressions(value, place)


def _read_count(value: object, place: str) -> int:
    """Read how many records stay.

    Raises:
        ConfigError: it is no whole number, less than one, or beyond what is read at each change.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_RECORDS:
        raise ConfigError(f"{place} must be a whole number, 1 to {_MOST_RECORDS}", hint="Write it as: keep = 100")
    return value


def _read_seconds(value: object, place: str) -> float:
    """Read a number of seconds.

    Raises:
        ConfigError: it is no number, or less than one.
    """
    # TOML's true is an int in Python.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= _MOST_SECONDS:
        raise ConfigError(f"{place} must be a number of seconds, 1 to {_MOST_SECONDS}", hint="Write it as: interval = 60")
    return float(value)


_MOST_SECONDS: Final = 86_400
_MOST_RECORDS: Final = 10_000
_Known: TypeAlias = Mapping[str, tuple[str, Callable[[object, str], Any]]]

# For each key the field it sets, and how its value is read.
_WATCH_SETTINGS: Final[_Known] = {
    "interval": ("interval", _read_seconds),
    "longest-pause": ("longest_pause", _read_seconds),
}
_HISTORY_SETTINGS: Final[_Known] = {"keep": ("keep", _read_count)}
_SETTINGS: Final[_Known] = {
    "cluster-cidr": ("cluster_cidrs", _read_cidrs),
    "watch": ("watch", _read_watch),
    "history": ("history", _read_history),
    "suppress": ("suppressions", _read_suppress),
}
