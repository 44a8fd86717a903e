"""Where the audit rules lie: in the package, in /etc/natfix/rules.d, and where the user says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from natfix.audit import AuditRule, load_rule
from natfix.errors import ConfigError, HostError

LOCAL_RULES = "/etc/natfix/rules.d"
_PACKAGE = Path(__file__).parents[1]


def read_catalogue(extra: Iterable[str] = (), *, local: str = LOCAL_RULES, examples: bool = False) -> tuple[AuditRule, ...]:
    """Read every audit rule, sorted by id; one in a later place stands in for one of the same id in an earlier.

    Args:
        extra: further folders, searched last.
        local: the administrator's folder.
        examples: whether to read the examples too, which only tests of rules need.

    Raises:
        ConfigError: a file is no rule, or two files of one folder have the same id.
        HostError: a folder named by the user is not there, or a file cannot be read.
    """
    found: dict[str, AuditRule] = {}
    for folder in (packaged_rules(), Path(local)):
        found.update(_read_folder(folder, examples=examples))
    for name in extra:
        if not Path(name).is_dir():
            raise HostError(f"{name} is no folder", hint="--rules names a folder that holds rule files (*.toml).")
        found.update(_read_folder(Path(name), examples=examples))
    return tuple(found[each] for each in sorted(found))


def try_folder(folder: str) -> tuple[tuple[str, AuditRule | ConfigError], ...]:
    """Read every rule file of one folder with its examples, or what is wrong with it; by path.

    Raises:
        HostError: the folder is not there, or a file cannot be read.
    """
    if not Path(folder).is_dir():
        raise HostError(f"{folder} is no folder", hint="Name a folder that holds rule files (*.toml).")
    return tuple((str(path), _try(path)) for path in _files(Path(folder)))


def packaged_rules() -> Path:
    """The folder of natfix's own rules: in an installed package its data, in a checkout rules/ beside the package."""
    installed = _PACKAGE / "_data" / "rules"
    return installed if installed.is_dir() else _PACKAGE.parent / "rules"


def _read_folder(folder: Path, *, examples: bool) -> dict[str, AuditRule]:
    found: dict[str, AuditRule] = {}
    for path in _files(folder):
        rule = load_rule(_read(path), str(path), examples=examples)
        if rule.id in found:
            raise ConfigError(f"{path}: another file of the same folder has the id {rule.id} already")
        found[rule.id] = rule
    return found


def _try(path: Path) -> AuditRule | ConfigError:
    try:
        return load_rule(_read(path), str(path))
    except ConfigError as error:
        return error


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.toml")) if path.name != "TEMPLATE.toml")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from error
