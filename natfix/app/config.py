"""What the administrator wrote in /etc/natfix/natfix.toml.

Every key, with what it may hold::

    cluster-cidr = ["172.7.0.0/16", "fd00:7::/48"]      # the networks of all container subnets of all hosts

The file is read strictly: a key natfix does not know is an error, for what is misspelt would be ignored for years.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from natfix.app.cidrs import parse_cidrs
from natfix.app.ports import Files
from natfix.errors import ConfigError, UsageError
from natfix.ruleset import Network

CONFIG_PATH: Final = "/etc/natfix/natfix.toml"


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one host.

    Attributes:
        source: the file they come from, whether or not it is there.
        cluster_cidrs: the cluster's networks; empty when the file does not tell.
    """

    source: str = CONFIG_PATH
    cluster_cidrs: tuple[Network, ...] = ()


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
    settings = _load(data, source)
    for key in settings:
        if key not in _SETTINGS:
            raise ConfigError(f"{source}: unknown key {key}", hint=f"Known keys: {', '.join(_SETTINGS)}.")
    fields = {_SETTINGS[key][0]: _SETTINGS[key][1](value, f"{source}: {key}") for key, value in settings.items()}
    return Config(source, **fields)


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


# For each key the field it sets, and how its value is read.
_SETTINGS: Final[Mapping[str, tuple[str, Callable[[object, str], Any]]]] = {
    "cluster-cidr": ("cluster_cidrs", _read_cidrs),
}
