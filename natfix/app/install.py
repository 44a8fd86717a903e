"""Put natfix's unit files in place so that the host stays right, and take them away again.

What the user had is remembered before it is changed, so that uninstalling leaves that and nothing else. A file that the user
changed after natfix put it there is the user's: neither another install nor an uninstall touches it, and both say so.
"""

from __future__ import annotations

import contextlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from natfix._version import __version__
from natfix.app.unit_files import Mode, UnitSet, units_of
from natfix.app.units import Units
from natfix.errors import HostError, NatfixError
from natfix.plan import text_diff
from natfix.report.changes import Change, ChangeResult

_FORMAT = 1
_DAEMONS: Final = frozenset({"natfix-watch.service", "natfix-node.service"})
# firewalld tells of its reload on the D-Bus alone: dockerd listens there, and no unit can.
_UNHEARD: Final = (
    "firewalld runs here: `firewall-cmd --reload` has Docker put its rules back, which is noticed by --watch alone "
    "and does no harm with --guard"
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that natfix put in place.

    Attributes:
        name: the file.
        before: what the user had there; None for nothing.
        after: what natfix wrote.
    """

    name: str
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class Installed:
    """What natfix installed on a host.

    Attributes:
        files: the files it put in place.
        enabled: the units it enabled.
        guard: whether it turned the guard on.
        version: the natfix that did it.
    """

    files: tuple[Placed, ...] = ()
    enabled: tuple[str, ...] = ()
    guard: bool = False
    version: str = __version__

    def __bool__(self) -> bool:
        """Whether there is anything to take away."""
        return bool(self.files or self.enabled)

    def encode(self) -> bytes:
        """Spell it as it is remembered."""
        content = {
            "format": _FORMAT,
            "version": self.version,
            "enabled": list(self.enabled),
            "guard": self.guard,
            "files": [{"name": one.name, "before": _text(one.before), "after": _text(one.after)} for one in self.files],
        }
        return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def recall(cls, units: Units) -> Installed:
        """Read what was remembered; without that nothing is installed.

        Raises:
            HostError: it is damaged, or of another version of natfix.
        """
        data = units.recall()
        if data is None:
            return cls()
        try:
            content = json.loads(data)
            if content["format"] != _FORMAT:
                raise HostError(f"what is installed was installed by natfix {content['version']}", hint="Uninstall with that.")
            files = tuple(_placed(one) for one in content["files"])
            return cls(files, tuple(content["enabled"]), content["guard"], content["version"])
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise HostError(
                f"what natfix installed cannot be read: {error!r}",
                hint="Remove natfix-*.service, natfix-*.path and */natfix.conf from /etc/systemd/system by hand.",
            ) from error


def _text(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _placed(content: Mapping[str, str]) -> Placed:
    before: str | None = content["before"]
    return Placed(content["name"], None if before is None else b64decode(before), b64decode(content["after"]))


@dataclass(frozen=True, slots=True)
class _Step:
    """One file as it is and as it shall be."""

    name: str
    now: bytes | None
    then: bytes | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """From what is installed to what shall be."""

    old: Installed
    new: Installed
    steps: tuple[_Step, ...]
    notes: tuple[str, ...]

    def result(self, units: Units, verb: str, *, done: bool) -> ChangeResult:
        """It for the report."""
        changes = tuple(
            Change(path, text_diff(one.now, one.then, path)) for one in self.steps for path in [units.path(one.name)]
        )
        return ChangeResult(verb, done=done, changes=changes, notes=self.notes)

    @property
    def dropped(self) -> tuple[str, ...]:
        """The units that shall run no more."""
        return tuple(name for name in self.old.enabled if name not in self.new.enabled)


def install(
    units: Units, wanted: UnitSet, texts: Mapping[str, bytes], *, guard: bool = False, dry_run: bool = False
) -> ChangeResult:
    """Put the *wanted* files in place, take away what another mode had, and start what is to run.

    Done twice, the second time changes no file, and starts anew what runs: after an upgrade of natfix that is what is needed.

    Args:
        units: the service manager.
        wanted: which files, and which of them are enabled.
        texts: for each file what it shall hold.
        guard: whether the guard was turned on for this install, so that uninstalling turns it off.
        dry_run: only tell.

    Raises:
        UnsupportedError: no systemd manages this host.
        HostError: a file cannot be written or a unit does not start; everything is as it was.
    """
    units.require()
    plan = _plan(units, wanted.enabled, {name: texts[name] for name in wanted.files}, guard=guard)
    if not dry_run:
        _carry_out(units, plan)
    told = replace(plan, notes=(*plan.notes, *([] if guard else _unheard(units, wanted))))
    return told.result(units, "install", done=not dry_run)


def uninstall(units: Units, *, dry_run: bool = False) -> ChangeResult:
    """Take away what install put in place, and give back what the user had there.

    Raises:
        UnsupportedError: no systemd manages this host.
        HostError: the service manager or a disk refuses; everything is as it was.
    """
    units.require()
    plan = _plan(units, (), {})
    if plan.old and not dry_run:
        _carry_out(units, plan)
    return plan.result(units, "uninstall", done=bool(plan.old) and not dry_run)


def _plan(units: Units, enabled: tuple[str, ...], wanted: Mapping[str, bytes], *, guard: bool = False) -> _Plan:
    old = Installed.recall(units)
    mine = {one.name: one for one in old.files}
    steps: list[_Step] = []
    placed: list[Placed] = []
    notes: list[str] = []
    for name in sorted({*mine, *wanted}):
        now, was, then = units.read(name), mine.get(name), wanted.get(name)
        if was is not None and now not in {None, was.after, then}:
            notes.append(f"{units.path(name)} was changed since natfix put it there: it stays as it is")
            placed += [was] if then is not None else []
            continue
        before = was.before if was is not None else None if now == then else now
        placed += [Placed(name, before, then)] if then is not None else []
        steps.append(_Step(name, now, then if then is not None else before))
    changing = tuple(step for step in steps if step.now != step.then)
    return _Plan(old, Installed(tuple(placed), enabled, (guard or old.guard) and bool(wanted)), changing, tuple(notes))


def _carry_out(units: Units, plan: _Plan) -> None:
    """Go from the old to the new; after an error the old is there again."""
    # Whatever ends this half way: both what was and what shall be can be taken away.
    units.remember(_both(plan).encode())
    try:
        units.disable(plan.dropped)
        for step in plan.steps:
            _put(units, step.name, step.then)
        units.reload()
        units.enable(plan.new.enabled)
        _verify(units, plan.new.enabled)
        units.remember(plan.new.encode() if plan.new else None)
    except BaseException as error:
        failed = _take_back(units, plan)
        if failed:
            raise HostError(f"{error}\nand taking it back failed as well: {failed[0]}", hint="Try: natfix uninstall") from error
        raise


def _unheard(units: Units, wanted: UnitSet) -> Iterator[str]:
    """Tell what goes on on this host that the *wanted* units do not hear of."""
    watched = set(units_of([Mode.WATCH]).files) <= set(wanted.files)
    if units.live and not watched and units.state("firewalld.service") == "active":
        yield _UNHEARD


def _both(plan: _Plan) -> Installed:
    files = {one.name: one for one in (*plan.old.files, *plan.new.files)}
    return Installed(
        tuple(files.values()), tuple(dict.fromkeys((*plan.old.enabled, *plan.new.enabled))), plan.new.guard or plan.old.guard
    )


def _put(units: Units, name: str, data: bytes | None) -> None:
    if data is None:
        units.remove(name)
    else:
        units.place(name, data)


def _verify(units: Units, enabled: Iterable[str]) -> None:
    """Look whether what was started runs: a service that does one thing may be done, but must not have failed."""
    for name in enabled if units.live else ():
        state = units.state(name)
        if state == "failed" or (state != "active" and (name.endswith(".path") or name in _DAEMONS)):
            raise HostError(f"{name} is {state} after its start", hint=f"See why: journalctl -u {name}")


def _take_back(units: Units, plan: _Plan) -> list[NatfixError]:
    """Bring back the old as far as that goes; give the errors on the way."""
    errors: list[NatfixError] = []
    with _noting(errors):
        units.disable(tuple(name for name in plan.new.enabled if name not in plan.old.enabled))
    for step in plan.steps:
        with _noting(errors):
            _put(units, step.name, step.now)
    with _noting(errors):
        units.reload()
        units.enable(plan.old.enabled)
    if not errors:
        with _noting(errors):
            units.remember(plan.old.encode() if plan.old else None)
    return errors


@contextlib.contextmanager
def _noting(errors: list[NatfixError]) -> Iterator[None]:
    """Note an error and go on: what comes after is to be taken back as well."""
    try:
        yield
    except NatfixError as error:
        errors.append(error)
