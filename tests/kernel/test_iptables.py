"""IptablesStore and find_stores on real tables: what the contract of the port does not say."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from natfix.app.ports import Backend, Variant
from natfix.errors import BusyError, HostError, NatfixError, UnsupportedError
from natfix.host.installed import Tools
from natfix.host.iptables import IptablesStore, find_stores, open_store
from natfix.host.libiptc import LibiptcStore
from natfix.host.programs import run_each
from natfix.ruleset import Family
from tests.netns import command

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).resolve().parents[2]
NFT4 = Backend(Family.IPV4, "nft")
LEGACY4 = Backend(Family.IPV4, "legacy")
BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
SWAP = f"*nat\n-D POSTROUTING {BROAD}\n-I POSTROUTING 1 -s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE\nCOMMIT\n"

# What iptables-nft 1.8.9 shows as another rule or not at all, mostly with exit code 0.
NATIVE = [
    "ip saddr { 10.0.0.1, 10.0.0.2 } counter accept",
    "tcp dport { 80, 443 } counter accept",
    "ip daddr 10.0.0.5-10.0.0.9 counter accept",
    "ip saddr 10.0.0.0/8 ip saddr != 10.1.0.0/16 counter accept",
    "oifname vmap { lo : accept }",
    "ip saddr 10.0.0.1 ip daddr set 1.2.3.4",
    "ip length 50 accept",
    "meta skuid 0 counter accept",
    "ip saddr 10.0.0.1 counter masquerade",
    "numgen inc mod 2 0 accept",
    "ct state new accept",
]


def names(stores: tuple[IptablesStore, ...]) -> list[str]:
    return [str(store.backend) for store in stores]


def legacy_tables() -> str:
    return (
        Path("/proc/thread-self/net/ip_tables_names").read_text() + Path("/proc/thread-self/net/ip6_tables_names").read_text()
    )


def test_looking_for_stores_and_reading_them_makes_no_table(netns: str) -> None:
    stores = find_stores()
    assert names(stores.usable) == ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"]
    assert (stores.active, stores.unreadable) == ((), ())
    for store in stores.usable:
        store.read()
    assert command("nft", "list", "tables") == ""
    assert legacy_tables() == ""


def test_the_stores_with_a_table_in_the_kernel_are_active(netns: str) -> None:
    command("ip6tables-nft", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
    command("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
    assert names(find_stores().active) == ["ip6tables-nft", "iptables-legacy"]


def test_a_table_whose_programs_are_not_installed_is_told(netns: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
    command("iptables-nft", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
    monkeypatch.setattr("natfix.host.programs._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    stores = find_stores()
    assert (stores.usable, stores.active) == ((), ())
    assert LEGACY4 in stores.unreadable
    with pytest.raises(HostError, match="iptables-legacy is not installed") as caught:
        open_store(LEGACY4)
    assert "Install the package iptables (Debian" in str(caught.value)


@pytest.mark.parametrize(("version", "variant"), [("v1.4.21", "legacy"), ("v1.8.9 (nf_tables)", "nft")])
def test_programs_without_a_suffix_serve_the_variant_they_are(
    netns: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, variant: Variant
) -> None:
    for name in ("iptables", "iptables-save", "iptables-restore"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho 'iptables {version}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("natfix.host.programs._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    (store,) = find_stores().usable
    assert store.backend == Backend(Family.IPV4, variant)
    assert store.tools == Tools(*(str(tmp_path / name) for name in ("iptables", "iptables-save", "iptables-restore")))


def test_without_rights_looking_says_that_root_is_needed() -> None:
    code = (
        "import os\n"
        "from natfix.host.iptables import find_stores\n"
        "from natfix.errors import HostError\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: find_stores()\n"
        "except HostError as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "needs root (CAP_NET_ADMIN)" in done.stdout


@pytest.mark.parametrize("rule", NATIVE)
@pytest.mark.parametrize("chain", ["POSTROUTING", "BEHIND"])
def test_a_native_rule_that_iptables_cannot_show_is_named(netns: str, chain: str, rule: str) -> None:
    command("iptables-nft", "-t", "nat", "-N", "BEHIND")
    command("iptables-nft", "-t", "nat", "-A", "POSTROUTING", "-j", "BEHIND")
    command("nft", "add", "rule", "ip", "nat", chain, *rule.split())
    with pytest.raises(UnsupportedError, match=f"the chain {chain} of the nat table") as caught:
        open_store(NFT4).read()
    assert f"nft list chain ip nat {chain}" in str(caught.value)


def test_a_native_rule_that_postrouting_does_not_reach_is_no_hindrance(netns: str) -> None:
    command("iptables-nft", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
    command("iptables-nft", "-t", "nat", "-N", "ALONE")
    command("nft", "add", "rule", "ip", "nat", "ALONE", "counter", "masquerade")
    (table,) = open_store(NFT4).read().tables
    assert list(table.declared) == ["POSTROUTING"]


def test_a_dump_that_would_lack_a_rule_is_refused(netns: str) -> None:
    command("iptables-nft", "-t", "filter", "-A", "FORWARD", "-j", "ACCEPT")
    assert b"-A FORWARD -j ACCEPT" in open_store(NFT4).dump()
    command("nft", "add", "rule", "ip", "filter", "FORWARD", *NATIVE[0].split())
    with pytest.raises(UnsupportedError, match="the chain FORWARD of the filter table"):
        open_store(NFT4).dump()


def test_a_dump_of_a_table_that_iptables_calls_incompatible_is_refused(netns: str) -> None:
    command("iptables-nft", "-t", "nat", "-N", "ALONE")
    command("nft", "add", "rule", "ip", "nat", "ALONE", "counter", "masquerade")
    with pytest.raises(UnsupportedError, match="incompatible"):
        open_store(NFT4).dump()


@pytest.mark.parametrize("backend", [NFT4, LEGACY4], ids=str)
def test_a_dump_of_nothing_is_empty_and_makes_no_table(netns: str, backend: Backend) -> None:
    assert open_store(backend).dump() == b""
    assert command("nft", "list", "tables") == ""
    assert legacy_tables() == ""


USUAL = [
    "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE --random-fully",
    "-p tcp -m tcp --sport 1:1024 ! --dport 80:90 -m comment --comment x -j RETURN",
    "-p udp -m multiport --dports 53,67:69 -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-s 10.0.0.1/32 -d 10.0.0.2/32 -p icmp -m icmp --icmp-type 8 -j ACCEPT",
    "-m addrtype ! --dst-type LOCAL -m conntrack --ctstate NEW -m statistic --mode random --probability 0.5 -j RETURN",
    "-f -m ttl --ttl-gt 5 -m iprange --src-range 10.0.0.1-10.0.0.9 -m limit --limit 5/min -j MARK --set-xmark 0x1/0x1",
    "-p tcp -m tos --tos 0x10/0x3f -m length --length 10:50 -j SNAT --to-source 192.0.2.1-192.0.2.9:1-5 --random",
    '-m owner --uid-owner 0-99 -m u32 --u32 "0x6&0xff=0x1" -j LOG --log-prefix "a b"',
]


@pytest.mark.parametrize("spec", USUAL)
def test_what_iptables_itself_wrote_is_never_taken_for_native(netns: str, spec: str) -> None:
    command("iptables-nft-restore", data=f"*nat\n-A POSTROUTING {spec}\nCOMMIT\n")
    chain = open_store(NFT4).read().tables[0].chain("POSTROUTING")
    assert chain is not None
    assert f"-A POSTROUTING {chain.rules[0].spec}" in command("iptables-nft-save", "-t", "nat")


def test_targets_are_not_asked_for_as_chains_and_loops_end(netns: str) -> None:
    rules = ["-A POSTROUTING -j ONE", "-A ONE -j TWO", "-A TWO -j SNAT --to-source 192.0.2.1", "-A ONE -j LOG", "-A ONE"]
    command("iptables-nft-restore", data="\n".join(["*nat", ":ONE - [0:0]", ":TWO - [0:0]", *rules, "COMMIT", ""]))
    (table,) = open_store(NFT4).read().tables
    assert list(table.declared) == ["POSTROUTING", "ONE", "TWO"]


def test_a_chain_for_each_pod_is_read_in_the_order_of_the_rules_that_lead_there(netns: str) -> None:
    pods = [f"CNI-{number:02}" for number in range(30)]
    jumps = [f"-A POSTROUTING -s 172.7.21.{number}/32 -j {pod}" for number, pod in enumerate(reversed(pods))]
    rules = [f"-A {pod} -d 172.7.21.0/24 -j ACCEPT\n-A {pod} -j MASQUERADE" for pod in pods]
    command("iptables-nft-restore", data="\n".join(["*nat", *(f":{pod} -" for pod in pods), *jumps, *rules, "COMMIT", ""]))
    (table,) = open_store(NFT4).read().tables
    assert list(table.declared) == ["POSTROUTING", *reversed(pods)]
    assert [len(chain.rules) for chain in table.reached_from("POSTROUTING")] == [30, *[2] * 30]


def test_programs_side_by_side_end_each_in_its_place(tmp_path: Path) -> None:
    # None of them ends before all four have started.
    meet = f"cd {tmp_path}; touch $0; until test -e 0 -a -e 1 -a -e 2 -a -e 3; do sleep 0.01; done; echo $0; exit $0"
    found = run_each([("sh", "-c", meet, str(number)) for number in range(4)])
    assert [(done.code, done.output) for done in found] == [(number, f"{number}\n".encode()) for number in range(4)]
    assert [done.code for done in run_each([("sh", "-c", f"exit {number}") for number in range(9)])] == list(range(9))
    assert run_each([]) == []


def test_of_programs_side_by_side_one_that_is_not_there_is_told() -> None:
    with pytest.raises(HostError, match="the program no-such-program is not installed"):
        run_each([("true",), ("no-such-program",), ("true",)])


@pytest.mark.parametrize("backend", [NFT4, LEGACY4], ids=str)
def test_counters_of_policy_and_rules_are_read(netns: str, backend: Backend) -> None:
    text = f"*nat\n:POSTROUTING ACCEPT [3:180]\n[5:600] -A POSTROUTING {BROAD}\nCOMMIT\n"
    command(f"{backend}-restore", "-c", data=text)
    assert "\n".join(open_store(backend).read().lines) == text


@pytest.mark.parametrize("backend", [NFT4, LEGACY4], ids=str)
def test_a_table_that_changes_all_the_time_is_read_as_it_was_at_one_moment(netns: str, backend: Backend) -> None:
    def rules(device: str) -> str:
        lines = [f"-A {chain} -o {device} -j RETURN" for chain in ("ONE", "TWO")]
        return "\n".join(["*nat", ":ONE - [0:0]", ":TWO - [0:0]", *lines, "COMMIT", ""])

    command(f"{backend}-restore", data="*nat\n:ONE -\n:TWO -\n-A POSTROUTING -j ONE\n-A POSTROUTING -j TWO\nCOMMIT\n")
    stop = threading.Event()

    def churn() -> None:
        while not stop.wait(0.02):
            for device in ("a", "b"):
                command(f"{backend}-restore", "--noflush", data=rules(device))

    command(f"{backend}-restore", "--noflush", data=rules("a"))
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        seen = [_devices(open_store(backend)) for _ in range(30)]
    finally:
        stop.set()
        thread.join()
    assert all(len(devices) == 1 for devices in seen)


def _devices(store: IptablesStore) -> set[str]:
    (table,) = store.read().tables
    chains = [chain for name in ("ONE", "TWO") if (chain := table.chain(name))]
    return {rule.out_interface.value for chain in chains for rule in chain.rules if rule.out_interface}


@contextmanager
def held(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("library", [False, True], ids=["programs", "libiptc"])
def test_a_held_lock_is_waited_for_in_vain_and_its_holder_named(netns: str, tmp_path: Path, *, library: bool) -> None:
    lock = tmp_path / "xtables.lock"
    binary = open_store(LEGACY4, wait=1, lock=str(lock))
    store = LibiptcStore(binary) if library else binary
    command("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
    before = store.read().lines
    with held(lock), pytest.raises(BusyError, match=f"held by pid {os.getpid()}: .*python") as caught:
        store.commit(SWAP)
    assert "nothing was changed" in str(caught.value)
    assert store.read().lines == before
    store.commit(SWAP)
    assert store.read().lines != before


@pytest.mark.parametrize("library", [False, True], ids=["programs", "libiptc"])
def test_a_lock_that_is_let_go_in_time_is_taken(netns: str, tmp_path: Path, *, library: bool) -> None:
    lock = tmp_path / "xtables.lock"
    binary = open_store(LEGACY4, wait=10, lock=str(lock))
    command("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
    hold = f'import fcntl, time; f = open("{lock}", "w"); fcntl.flock(f, 2); print(flush=True); time.sleep(1)'
    script = f"{hold}; print(time.monotonic(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (LibiptcStore(binary) if library else binary).commit(SWAP)
        done = time.monotonic()
        # One clock for all processes: nothing was changed while the lock was held.
        assert float(other.stdout.readline()) <= done


def test_a_restore_that_knows_no_wait_gets_the_lock_taken_for_it(netns: str, tmp_path: Path) -> None:
    """As iptables-restore before 1.6.2, which refuses --wait and takes no lock."""
    lock = tmp_path / "xtables.lock"
    old = tmp_path / "iptables-restore"
    old.write_text(
        '#!/bin/sh\ncase "$*" in *--wait*) exit 2;; *--help*) echo usage >&2; exit 1;; esac\n'
        f'flock -n {lock} true && exit 3\nXTABLES_LOCKFILE={tmp_path}/another exec iptables-legacy-restore "$@"\n'
    )
    old.chmod(0o755)
    tools = open_store(LEGACY4).tools
    store = IptablesStore(LEGACY4, Tools(tools.iptables, tools.save, str(old)), wait=1, lock=str(lock))
    store.commit(f"*nat\n-A POSTROUTING {BROAD}\nCOMMIT\n")
    store.commit(SWAP)
    with held(lock), pytest.raises(BusyError, match=f"held by pid {os.getpid()}"):
        store.commit(SWAP)


@pytest.mark.parametrize("backend", [NFT4, LEGACY4], ids=str)
def test_without_rights_a_change_says_that_root_is_needed(netns: str, backend: Backend, tmp_path: Path) -> None:
    command(f"{backend}", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
    tools = open_store(backend).tools
    # Which rights are missing depends on the program, which is known by its name.
    stripped = tmp_path / Path(tools.restore).name
    stripped.write_text(f'#!/bin/sh\nexec setpriv --bounding-set -net_admin,-net_raw --inh-caps -all {tools.restore} "$@"\n')
    stripped.chmod(0o755)
    store = IptablesStore(backend, Tools(tools.iptables, tools.save, str(stripped)))
    before = store.read().lines
    rights = "CAP_NET_ADMIN" if backend == NFT4 else "CAP_NET_ADMIN and CAP_NET_RAW"
    with pytest.raises(HostError, match=rf"needs root \({rights}\)"):
        store.commit(SWAP)
    assert store.read().lines == before


def test_a_program_that_is_killed_is_told(netns: str, tmp_path: Path) -> None:
    killed = tmp_path / "restore"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    tools = open_store(NFT4).tools
    with pytest.raises(NatfixError, match=r"exit code -9"):
        IptablesStore(NFT4, Tools(tools.iptables, tools.save, str(killed))).commit(SWAP)
