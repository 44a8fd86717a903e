"""Numbers for a monitoring system: which there are, and the port through which programs tell them.

Names follow Prometheus' own conventions: base units, ``_total`` for what only grows, a timestamp in place of an age. A label
has few values: a rule's words, a peer or a pid is told by the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number, or one for each value of its labels.

    Attributes:
        name: as a monitoring system knows it.
        kind: ``gauge`` for what goes up and down, ``counter`` for what only grows, ``histogram`` for how long something took.
        text: what it is, in a sentence.
        labels: the names of its labels.
        known: values that the labels of a counter have from the beginning, so that its first step is seen as one.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    text: str
    labels: Labels = ()
    known: tuple[Labels, ...] = ()


class Meter(Protocol):
    """Where numbers are told; any thread may."""

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Let a gauge be *value* now."""
        ...

    def put_only(self, metric: Metric, values: Mapping[Labels, float]) -> None:
        """Let a gauge have these values and no others any more."""
        ...

    def stamp(self, metric: Metric) -> None:
        """Let a gauge be the time of day, in seconds since 1970."""
        ...

    def add(self, metric: Metric, *labels: str, number: float = 1) -> None:
        """Let a counter grow."""
        ...

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Let a histogram know one more duration."""
        ...

    def publish(self) -> None:
        """Put all numbers where others read them, if that is a place that has to be written.

        Raises:
            HostError: it cannot be written.
        """
        ...


# The branches of natfix/errors.py.
ERROR_KINDS: Final = (
    "BusyError",
    "ConfigError",
    "ConflictError",
    "HostError",
    "RolledBackError",
    "RulesetSyntaxError",
    "UnsupportedError",
    "UsageError",
)

BUILD: Final = Metric(
    "natfix_build_info", "gauge", "Always 1: which natfix this is, and which part of it.", ("version", "part")
)
ERRORS: Final = Metric(
    "natfix_errors_total",
    "counter",
    "What did not go as it should, by the name of the error in natfix/errors.py.",
    ("kind",),
    tuple((kind,) for kind in ERROR_KINDS),
)
GUARD_WANTED: Final = Metric("natfix_guard_wanted", "gauge", "1 while somebody has turned the guard on.")
GUARD_STANDING: Final = Metric(
    "natfix_guard_standing", "gauge", "1 while the kernel holds the guard that is wanted, whole; 0 when not, or none is wanted."
)
LEFT_ALONE: Final = Metric(
    "natfix_left_alone", "gauge", "Rules and files that stay as they are since somebody has undone them."
)

CORRECTIONS: Final = Metric("natfix_corrections_total", "counter", "Rules that natfix corrected.", ("backend",))
CORRECTION_SECONDS: Final = Metric(
    "natfix_correction_seconds", "histogram", "From hearing of a change to its correction in the kernel.", ("backend",)
)
FINDINGS: Final = Metric("natfix_findings", "gauge", "What is wrong now, what is left alone included.", ("backend",))
FIGHTS: Final = Metric("natfix_fights", "gauge", "Rules that somebody keeps putting back.")
LAST_LOOK: Final = Metric("natfix_last_look_timestamp_seconds", "gauge", "When natfix looked last.")
LOOK_SUCCESSFUL: Final = Metric(
    "natfix_last_look_successful", "gauge", "1 if the last look, and what it corrected, was finished."
)
UNSAVED: Final = Metric("natfix_corrections_unsaved", "gauge", "1 while a file that is loaded at boot lacks a correction.")
UNRECORDED: Final = Metric(
    "natfix_corrections_unrecorded",
    "gauge",
    "1 while the disk refuses the record of a correction, so that undo does not know it.",
)
OVERRUNS: Final = Metric(
    "natfix_event_overruns_total", "counter", "Times when more happened than the kernel could tell, and all was looked at."
)
GUARD_RESTORED: Final = Metric("natfix_guard_restorations_total", "counter", "Times when the guard was put back.")
SETTINGS_READ: Final = Metric(
    "natfix_settings_last_reload_successful", "gauge", "1 if the settings could be used when they were read last."
)
SETTINGS_TIME: Final = Metric(
    "natfix_settings_last_reload_success_timestamp_seconds", "gauge", "When settings were read last that could be used."
)

CHECK_FINDINGS: Final = Metric(
    "natfix_check_findings",
    "gauge",
    "What the last check found, by audit rule and by where it was found.",
    ("id", "severity", "source"),
)
CHECK_RULES: Final = Metric("natfix_check_rules", "gauge", "Rules that the last check looked at.", ("source",))
CHECK_TIME: Final = Metric("natfix_check_timestamp_seconds", "gauge", "When it was checked last, or tried to be.")
CHECK_EXIT: Final = Metric(
    "natfix_check_exit_code", "gauge", "How the last check ended: 0 nothing found, 1 findings, else it could not be told."
)
CHECK_UNREAD: Final = Metric("natfix_check_unread_sources", "gauge", "What the last check could not look at.")
CHECK_LEFT_OUT: Final = Metric(
    "natfix_check_left_out_findings", "gauge", "Findings that a suppression or a baseline kept out of the last check."
)

GUARD_METRICS: Final = (GUARD_WANTED, GUARD_STANDING, LEFT_ALONE)
WATCH_METRICS: Final = (
    *(BUILD, ERRORS, *GUARD_METRICS, CORRECTIONS, CORRECTION_SECONDS, FINDINGS, FIGHTS, LAST_LOOK, LOOK_SUCCESSFUL),
    *(UNSAVED, UNRECORDED, OVERRUNS, GUARD_RESTORED, SETTINGS_READ, SETTINGS_TIME),
)
CHECK_METRICS: Final = (
    *(BUILD, *GUARD_METRICS, CHECK_FINDINGS, CHECK_RULES, CHECK_TIME, CHECK_EXIT, CHECK_UNREAD, CHECK_LEFT_OUT),
)
