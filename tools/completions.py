"""Write completions for bash, zsh and fish, from what the program itself says it takes.

From the root of the repository::

    .venv/bin/python -m tools.completions FOLDER

They are whole scripts: pressing Tab asks no natfix, and works without one. Nothing is kept in the repository, so that none can
be out of date. The files are named as the shells look for them: ``natfix`` (bash), ``_natfix`` (zsh), ``natfix.fish``.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.command_line import Command, Parameter, commands, program

BASH = """\
# bash completion for natfix, made by tools/completions.py
_natfix() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} name= index
    # Readline splits at the sign in --format=json.
    if [[ $current == "=" ]]; then
        current=
    elif [[ $before == "=" ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((index = 1; index < COMP_CWORD; index++)); do
        if [[ ${COMP_WORDS[index]} != -* ]]; then
            name=${COMP_WORDS[index]}
            break
        fi
    done
    COMPREPLY=()
    case $name in
%s
    esac
}
complete -o filenames -F _natfix natfix
"""

ZSH = """\
#compdef natfix
# zsh completion for natfix, made by tools/completions.py
_natfix() {
    local -a names
    if (( CURRENT == 2 )); then
        names=(
%s
        )
        _describe command names
        _arguments %s
        return
    fi
    local name=$words[2]
    shift words
    (( CURRENT-- ))
    case $name in
%s
    esac
}
_natfix "$@"
"""

FISH = """\
# fish completion for natfix, made by tools/completions.py
function __natfix_is --description 'Whether the first word after natfix that is no option is this one'
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and continue
        test $word = "$argv[1]"
        return
    end
    test -z "$argv[1]"
end
complete -c natfix -f
%s
"""


def scripts() -> dict[str, str]:
    """Write the three scripts; keys are their file names."""
    whole, every = program(), commands()
    return {"natfix": _bash(whole, every), "_natfix": _zsh(whole, every), "natfix.fish": _fish(whole, every)}


def _bash(whole: Command, every: Sequence[Command]) -> str:
    names = " ".join([*(one.name for one in every), *_names(whole)])
    lines = [f"    '') mapfile -t COMPREPLY < <(compgen -W '{names}' -- \"$current\") ;;"]
    for command in every:
        lines += [f"    {command.name})", *_bash_values(command), *_bash_words(command), "        ;;"]
    return BASH % "\n".join(lines)


def _bash_values(command: Command) -> Iterator[str]:
    """Complete the value of an option that stands before."""
    yield "        case $before in"
    for one in command.options:
        if one.choices:
            words = f"-W '{' '.join(one.choices)}'"
            yield f'        {"|".join(one.names)}) mapfile -t COMPREPLY < <(compgen {words} -- "$current"); return ;;'
        elif one.takes_files:
            yield f'        {"|".join(one.names)}) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;'
        elif one.value:
            yield f"        {'|'.join(one.names)}) return ;;"
    yield "        esac"


def _bash_words(command: Command) -> Iterator[str]:
    yield "        case $current in"
    yield f"        -*) mapfile -t COMPREPLY < <(compgen -W '{' '.join(_names(command))}' -- \"$current\") ;;"
    choices = [choice for one in command.arguments for choice in one.choices]
    files = "-f " if any(one.takes_files for one in command.arguments) else ""
    if choices or files:
        yield f"        *) mapfile -t COMPREPLY < <(compgen {files}-W '{' '.join(choices)}' -- \"$current\") ;;"
    yield "        esac"


def _zsh(whole: Command, every: Sequence[Command]) -> str:
    names = "\n".join(f"            {_quoted(f'{one.name}:{one.summary}')}" for one in every)
    own = " ".join(_zsh_option(one) for one in whole.options)
    cases = []
    for command in every:
        specs = [*map(_zsh_option, command.options), *map(_zsh_argument, command.arguments)]
        cases += [f"    {command.name}) _arguments -s -S \\", " \\\n".join(f"        {spec}" for spec in specs), "        ;;"]
    return ZSH % (names, own, "\n".join(cases))


def _zsh_option(one: Parameter) -> str:
    told = one.text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    many = "*" if one.repeated else ""
    # An option with several names excludes itself; braces would be the shell's to expand.
    forms = [f"{many}{name}{_zsh_joint(one, name)}[{told}]{_zsh_value(one)}" for name in one.names]
    return " ".join(map(_quoted, forms))


def _zsh_joint(one: Parameter, name: str) -> str:
    """How a value follows: a long option's as the next word or after =, a short one's in the same word or the next."""
    if not one.value:
        return ""
    return "=" if name.startswith("--") else "+"


def _zsh_value(one: Parameter) -> str:
    return f":{_zsh_word(one)}:{_zsh_action(one)}" if one.value else ""


def _zsh_argument(one: Parameter) -> str:
    return _quoted(f"{'*' if one.repeated else ''}:{_zsh_word(one)}:{_zsh_action(one)}")


def _zsh_word(one: Parameter) -> str:
    return one.value.replace(":", "\\:") or " "


def _zsh_action(one: Parameter) -> str:
    if one.choices:
        return f"({' '.join(one.choices)})"
    return "_files" if one.takes_files else " "


def _fish(whole: Command, every: Sequence[Command]) -> str:
    lines = [f"complete -c natfix -n '__natfix_is \"\"' -a {one.name} -d {_quoted(one.summary)}" for one in every]
    lines += [_fish_option("", one) for one in whole.options]
    for command in every:
        start = f"complete -c natfix -n '__natfix_is {command.name}'"
        for one in command.arguments:
            lines += [f"{start} -a {choice} -d {_quoted(one.text)}" for choice in one.choices]
            lines += [f"{start} -F"] if one.takes_files else []
        lines += [_fish_option(command.name, one) for one in command.options]
    return FISH % "\n".join(lines)


def _fish_option(command: str, one: Parameter) -> str:
    first = command or '""'
    words = [f"complete -c natfix -n '__natfix_is {first}'"]
    words += [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in one.names]
    if one.choices:
        words += ["-x", f"-a '{' '.join(one.choices)}'"]
    elif one.value:
        words += ["-r", "-F"] if one.takes_files else ["-x"]
    return " ".join([*words, "-d", _quoted(one.text)])


def _names(command: Command) -> list[str]:
    return [name for one in command.options for name in one.names]


def _quoted(text: str) -> str:
    """Spell a word for zsh and for fish, which both take a single quote apart from a quoted text only."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file, script in scripts().items():
        (folder / file).write_text(script, encoding="utf-8")
        print(folder / file)
