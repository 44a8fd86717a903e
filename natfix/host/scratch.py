"""A network namespace for a moment: a program runs in it, and it is gone with the program.

Rules loaded there meet no packet. ``unshare`` is used instead of os.unshare: a thread of natfix would have to leave its own
namespace, and come back, while other threads read the host; a child of its own has nothing to come back from.
"""

from __future__ import annotations

from collections.abc import Mapping

from natfix.errors import HostError
from natfix.host.programs import Done, run
from natfix.host.script import read_script, says_the_same
from natfix.ruleset import Chain, Rule, Table

# With CAP_SYS_ADMIN; and for who has it not, such as the watcher's unit, by way of a user namespace (user_namespaces(7)). Root
# is mapped into one only by who has CAP_SETFCAP, so it is left unmapped, with its capabilities; util-linux before 2.35 cannot.
_WAYS = (("--net",), ("--user", "--keep-caps", "--net"), ("--user", "--map-root-user", "--net"))


class NoScratchError(HostError):
    """Nobody here may make a network namespace."""


def run_in_scratch(*command: str, data: bytes = b"", environment: Mapping[str, str] | None = None) -> Done:
    """Run a program in a network namespace of its own, without any device but a loopback that is down.

    Raises:
        NoScratchError: no rights to make one.
        HostError: what programs.run raises.
    """
    complaints: list[str] = []
    for way in _WAYS:
        done = run("unshare", *way, "--", *command, data=data, environment=environment)
        if not done.complaint.startswith("unshare:"):
            return done
        complaints.append(done.complaint.partition(": ")[2])
    raise NoScratchError(
        f"no scratch network namespace can be made: {complaints[0]}",
        hint="It needs root (CAP_SYS_ADMIN), or user namespaces that are allowed; many containers forbid both.",
    )


def stand_in(table: Table, script: str) -> str:
    """Make a table on which *script* does what it does on *table*, without loading the rest of it.

    Every chain has as many rules as in *table*: those the script deletes are real, all others count packets and do nothing.

    Returns:
        Lines for iptables-restore, from ``*nat`` to ``COMMIT``.
    """
    deleted = [step.rule for step in read_script(script) if step.verb == "-D" and step.rule]
    chains = [chain for name in table.declared if (chain := table.chain(name))]
    declarations = [f":{chain.name} {chain.policy} [0:0]" for chain in chains]
    rules = [line for chain in chains for line in _stand_in_rules(chain, deleted)]
    return "\n".join([f"*{table.name}", *declarations, *rules, "COMMIT", ""])


def _stand_in_rules(chain: Chain, deleted: list[Rule]) -> list[str]:
    named = [rule for rule in deleted if rule.chain == chain.name]
    if not named:
        return [f"-A {chain.name}"] * len(chain.places)
    return [str(rule) if any(says_the_same(rule, other) for other in named) else f"-A {chain.name}" for rule in chain.rules]
