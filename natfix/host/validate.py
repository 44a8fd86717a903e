"""Whether iptables-restore would accept a text, found out where it does no harm."""

from __future__ import annotations

from natfix.app.ports import Backend
from natfix.errors import HostError
from natfix.host.installed import Tools, installed
from natfix.host.programs import run
from natfix.host.scratch import NoScratchError, run_in_scratch
from natfix.ruleset import Family


def validate(family: Family, data: bytes) -> str:
    """Load *data* in a scratch network namespace, whole, as the service that restores a saved ruleset does.

    ``iptables-nft-restore --test`` accepts texts that it cannot load, so the text is really loaded. Where nobody may make a
    namespace, that test is all that can be had.

    Returns:
        That it was only read through, in words, where no namespace can be made; else nothing.

    Raises:
        HostError: iptables-restore refuses it; its own words are in the message.
    """
    tools = _tools(family)
    unproved = ""
    try:
        done = run_in_scratch(tools.restore, data=data)
    except NoScratchError as error:
        done = run(tools.restore, "--test", data=data)
        unproved = f"the saved ruleset was not loaded on trial, for {error.message}; iptables-restore --test takes it"
    if done.code != 0:
        raise HostError(
            f"{tools.restore} would refuse the saved ruleset: {done.complaint.strip()}",
            hint="The file was left as it is. If it needs ipsets that exist only on the running host, use --no-persist.",
        )
    return unproved


def _tools(family: Family) -> Tools:
    for variant in ("nft", "legacy"):
        tools = installed(Backend(family, variant))
        if tools is not None:
            return tools
    raise HostError("iptables is not installed", hint="Install it: apt-get install iptables, or dnf install iptables.")
