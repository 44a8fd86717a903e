"""natfix's command line as values, read from the program itself: what manual pages and completions are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from natfix.cli.main import COMMANDS, build

# What an option's or argument's name for its value says when the value is a file or a folder.
_FILES = ("DIR", "FILE", "PATH", "SOURCE")


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option, or an argument, which has no names.

    Attributes:
        names: such as ``--output`` and ``-o``.
        shown: it as ``--help`` shows it, with a word for its value.
        text: what ``--help`` says of it.
        choices: the values it takes, if these are few and known.
        value: the word for its value; empty for a flag.
        repeated: whether it may be given more than once.
    """

    names: tuple[str, ...]
    shown: str
    text: str
    choices: tuple[str, ...]
    value: str
    repeated: bool

    @property
    def takes_files(self) -> bool:
        """Whether its value names a file or a folder."""
        return not self.choices and any(word in self.value for word in _FILES)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or the program itself.

    Attributes:
        name: of the command; empty for the program.
        summary: one sentence.
        usage: the words behind its name.
        paragraphs: what it does.
        arguments: in their order.
        options: in the order of ``--help``.
    """

    name: str
    summary: str
    usage: str
    paragraphs: tuple[str, ...]
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]

    @property
    def words(self) -> str:
        """It as it is called."""
        return f"natfix {self.name}".strip()


def program() -> Command:
    """Read what can stand before a command."""
    group = _group()
    return _command("", group.help, group, _context(group, "natfix"))


def commands() -> tuple[Command, ...]:
    """Read all commands, in the order of ``natfix --help``."""
    group = _group()
    above = _context(group, "natfix")
    found = [(name, summary, group.commands[name]) for name, summary in COMMANDS.items()]
    return tuple(_command(name, summary, one, _context(one, name, above)) for name, summary, one in found)


def _group() -> Any:  # noqa: ANN401  (typer keeps the types of what it is built on to itself)
    return typer.main.get_command(build([]))


def _context(command: Any, name: str, above: Any = None) -> Any:  # noqa: ANN401
    return command.context_class(command, info_name=name, parent=above, **command.context_settings)


def _command(name: str, summary: str, command: Any, context: Any) -> Command:  # noqa: ANN401
    found = list(_parameters(command, context))
    return Command(
        name=name,
        summary=summary,
        usage=" ".join(command.collect_usage_pieces(context)),
        paragraphs=tuple(" ".join(part.split()) for part in (command.help or "").split("\n\n")),
        arguments=tuple(one for one in found if not one.names),
        options=tuple(one for one in found if one.names),
    )


def _parameters(command: Any, context: Any) -> Iterator[Parameter]:  # noqa: ANN401
    for one in command.get_params(context):
        record = one.get_help_record(context)
        if record is None:  # A hidden one is for natfix itself.
            continue
        option = one.param_type_name == "option"
        flag = option and (one.is_flag or one.count)
        yield Parameter(
            # --help and its short form come in the order of a set.
            names=(*sorted(one.opts, key=lambda name: (len(name), name)), *one.secondary_opts) if option else (),
            shown=record[0],
            text=" ".join(record[1].split()),
            choices=tuple(map(str, getattr(one.type, "choices", ()))),
            value="" if flag else str(one.metavar or one.name).upper(),
            repeated=bool(getattr(one, "multiple", False)) or one.nargs == -1,
        )
