"""Completions made from the program, asked as the three shells ask them."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from natfix.cli.main import COMMANDS, build
from tools.completions import scripts

Ask = Callable[[str], set[str]]

BASH = """\
source natfix
while IFS= read -r line; do
    # Readline splits at this sign, too.
    eval "set -- ${line/=/ = }"
    # An empty word that is being typed is a word.
    [[ $line != *" " ]] || set -- "$@" ""
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _natfix
    printf '%s\\n' "${COMPREPLY[@]}"
done
"""

FISH = "source natfix.fish; complete -C $argv[1]"

# A terminal of its own, in which Tab is pressed; compadd, which adds what fits, tells what that is.
ZSH = r"""
zmodload zsh/zpty
zpty -b shell zsh -f -i
zpty -w shell '
    PROMPT= RPROMPT= fpath=($PWD $fpath)
    autoload -Uz compinit && compinit -u -D
    compadd() { local -a found; builtin compadd -O found "$@"; print -r -- "FOUND:${(j: :)found}:"; builtin compadd "$@" }
    zle -C complete-word complete-word _generic
    bindkey "^I" complete-word
    print -r -- REA""DY'
await() {
    local piece
    local -i tries
    for (( tries = 0; tries < 300; tries++ )); do
        zpty -r -t shell piece && said+=$piece || sleep 0.05
        [[ $said == *$~1* ]] && return
    done
}
said= ; await 'READY'
zpty -w -n shell "$1"$'\t'
said= ; await 'FOUND:[^:]*:'
print -r -- "$said"
zpty -d shell
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("completions")
    for name, text in scripts().items():
        (made / name).write_text(text, encoding="utf-8")
    (made / "dump-of-host.save").touch()
    return made


def run(folder: Path, *words: str, data: str = "") -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        words, check=True, capture_output=True, text=True, cwd=folder, input=data, env=environment, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(params=["bash", "zsh", "fish"])
def ask(request: pytest.FixtureRequest, folder: Path) -> Ask:
    """What a shell offers when Tab is pressed behind a line."""

    def bash(line: str) -> set[str]:
        return set(run(folder, "bash", "--norc", "-c", BASH, data=f"{line}\n").splitlines())

    def zsh(line: str) -> set[str]:
        found = re.findall(r"FOUND:([^:]+):", run(folder, "zsh", "-f", "-c", ZSH, "zsh", line))
        return {word for words in found for word in shlex.split(words)}

    def fish(line: str) -> set[str]:
        lines = run(folder, "fish", "--no-config", "-c", FISH, line).splitlines()
        return {offer.partition("\t")[0].removeprefix("--format=") for offer in lines}

    shells: dict[str, Ask] = {"bash": bash, "zsh": zsh, "fish": fish}
    return shells[request.param]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("natfix che", {"check"}),
        ("natfix uni", {"uninstall"}),
        ("natfix check --form", {"--format"}),
        ("natfix status --format ", {"text", "json"}),
        ("natfix status --format=j", {"json"}),
        ("natfix guard ", {"on", "off", "status"}),
        ("natfix node run --etcd-ap", {"--etcd-api"}),
    ],
)
def test_a_shell_offers(ask: Ask, line: str, offered: set[str]) -> None:
    assert ask(line) == offered


def test_a_shell_offers_files_where_a_command_takes_them(ask: Ask) -> None:
    assert ask("natfix check dum") == {"dump-of-host.save"}


def options(command: str) -> set[str]:
    """What ``natfix COMMAND --help`` names."""
    shown = CliRunner().invoke(build([]), [command, "--help"], env={"COLUMNS": "400"}).output
    starts = [line.strip().partition("  ")[0] for line in shown.partition("\nOptions:\n")[2].splitlines()]
    return {name for start in starts for name in re.findall(r"(?:^|[ /])(--?[a-z][a-z0-9-]*)", start)}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_offers_every_option_of_every_command(folder: Path, shell: str) -> None:
    lines = [f"natfix {command} -" for command in COMMANDS]
    if shell == "bash":
        program = BASH.replace("printf '%s\\n'", "printf '%s '").replace("\ndone", "; echo\ndone")
        answers = run(folder, "bash", "--norc", "-c", program, data="\n".join(lines) + "\n").splitlines()
    else:
        program = "source natfix.fish; for line in $argv; echo (complete -C $line | string replace -r '\\t.*' ''); end"
        answers = run(folder, "fish", "--no-config", "-c", program, *lines).splitlines()
    offered = {command: set(answer.split()) for command, answer in zip(COMMANDS, answers, strict=True)}
    assert offered == {command: options(command) | {"-h"} for command in COMMANDS}


def test_zsh_and_fish_say_what_each_command_does(folder: Path) -> None:
    for name in ("_natfix", "natfix.fish"):
        text = (folder / name).read_text(encoding="utf-8")
        assert [summary for summary in COMMANDS.values() if summary not in text.replace("'\"'\"'", "'")] == []
