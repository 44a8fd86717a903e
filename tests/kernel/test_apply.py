"""natfix apply and diff on the running rules, as programs on a host of their own."""

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import CLUSTER, POD, WRITTEN, Host, backends, bridge, broad, corrected, debian, docker_host, options

pytestmark = pytest.mark.kernel

each_backend = pytest.mark.parametrize("backend", backends(), ids=str)
each_ipv4_backend = pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)

NEIGHBOURS = ("-s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE", "-m mark --mark 0x2000/0x2000 -j MASQUERADE")
COMMENT = '-m comment --comment "a \\"b\\" *nat COMMIT"'
CNI = "CNI-5d3c2b1a0f9e8d7c6b5a4f3e"


def posted(*specs: str) -> list[str]:
    return [f"-A POSTROUTING {spec}" for spec in specs]


def neighbours(backend: Backend) -> tuple[str, str]:
    """Two rules that are nobody's business, one with addresses."""
    first = NEIGHBOURS[0] if backend.family is Family.IPV4 else NEIGHBOURS[0].replace("192.168.122.0/24", "fd99::/64")
    return first, NEIGHBOURS[1]


@each_backend
def test_the_rule_is_corrected_at_its_place_with_counters_comment_and_options_kept(host: Host, backend: Backend) -> None:
    above, below = neighbours(backend)
    bridge(host, "docker0", POD[backend.family].replace(".0/", ".1/").replace("::/", "::1/"))
    old = f"-s {POD[backend.family]} ! -o docker0 -p tcp {COMMENT} -j MASQUERADE --to-ports 1024-65535"
    new = old.replace(" ! -o", f" ! -d {CLUSTER[backend.family]} ! -o")
    host.load(backend, f"[1:60] -A POSTROUTING {above}", f"[5:600] -A POSTROUTING {old}", f"[2:99] -A POSTROUTING {below}")
    # What was loaded is read again: ip6tables-nft-restore 1.8.9 takes counters and forgets them.
    before = host.counted(backend)
    assert before[1] == f"{before[1].partition(' ')[0]} -A POSTROUTING {old}"
    host.natfix("apply", *options(backend))
    assert host.counted(backend) == [before[0], before[1].replace(old, new), before[2]]
    host.natfix("undo")
    assert host.counted(backend) == before


@each_backend
def test_nothing_to_do_says_so_and_writes_nothing(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    host.natfix("apply", *options(backend))
    kernel, files = host.counted(backend), host.files(*WRITTEN)
    assert "nothing to do: no rule that natfix corrects hides a container address" in host.natfix("apply", *options(backend))
    host.natfix("diff", *options(backend))
    host.natfix("check", *options(backend))
    assert (host.counted(backend), host.files(*WRITTEN)) == (kernel, files)


@each_backend
def test_a_dry_run_and_a_diff_tell_what_apply_does_and_write_nothing(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    kernel, files = host.counted(backend), host.files(*WRITTEN)
    told = host.natfix_json("diff", *options(backend), code=1)
    dry = host.natfix_json("apply", "--dry-run", *options(backend))
    assert told["changes"] == dry["changes"]
    assert (told["done"], dry["done"]) == (False, False)
    assert (host.counted(backend), host.files(*WRITTEN)) == (kernel, files)
    made = host.natfix_json("apply", *options(backend))
    assert [change["diff"] for change in made["changes"]] == [change["diff"] for change in told["changes"]]
    assert made["done"] is True
    assert [change["place"] for change in made["changes"]] == [str(backend), f"/etc/iptables/rules.v{backend.family.value}"]


@each_backend
def test_several_cidrs_become_a_chain_of_natfixs_own(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    second = "10.88.0.0/13" if backend.family is Family.IPV4 else "fd88::/32"
    host.natfix("apply", *options(backend), "--cluster-cidr", second, "--no-persist")
    (jump,) = host.rules(backend)
    chain = jump.rpartition(" ")[2]
    assert chain.startswith("NATFIX-")
    assert jump == f"-A POSTROUTING {broad(backend).replace('MASQUERADE', chain)}"
    assert sorted(host.rules(backend, chain)[:-1]) == sorted(
        f"-A {chain} -d {cidr} -j RETURN" for cidr in (CLUSTER[backend.family], second)
    )
    assert host.rules(backend, chain)[-1] == f"-A {chain} -j MASQUERADE"
    host.natfix("check", *options(backend), "--cluster-cidr", second)
    host.natfix("undo")
    assert host.rules(backend) == posted(broad(backend))
    assert "NATFIX" not in host.saved(backend)


@each_ipv4_backend
def test_a_cluster_that_grows_makes_the_chain_grow_and_undo_makes_it_small_again(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    cidrs = [word for cidr in ("172.7.0.0/16", "10.88.0.0/13", "10.96.0.0/12") for word in ("--cluster-cidr", cidr)]
    host.natfix("apply", *cidrs[:4], "--no-persist")
    chain = host.rules(backend)[0].rpartition(" ")[2]
    small = host.rules(backend, chain)
    host.natfix("apply", *cidrs, "--no-persist")
    assert [rule.split()[3] for rule in host.rules(backend, chain)[:-1]] == ["10.88.0.0/13", "172.7.0.0/16", "10.96.0.0/12"]
    host.natfix("undo")
    assert host.rules(backend, chain) == small


@each_ipv4_backend
def test_a_rule_in_a_cni_chain_is_corrected_there(host: Host, backend: Backend) -> None:
    name = '-m comment --comment "name: \\"net\\" id: \\"abc\\""'
    jump = f"-s 172.7.21.5/32 {name} -j {CNI}"
    own = f"-d 172.7.21.0/24 {name} -j ACCEPT"
    host.load(
        backend, f"-A POSTROUTING {jump}", f"-A {CNI} {own}", f"-A {CNI} ! -d 224.0.0.0/4 {name} -j MASQUERADE", chains=[CNI]
    )
    bridge(host, "cni0", "172.7.21.1/24")
    host.natfix("check", *options(backend), code=1)
    host.natfix("apply", *options(backend))
    host.natfix("check", *options(backend))
    assert host.rules(backend) == posted(jump)
    first, second = host.rules(backend, CNI)
    assert first == f"-A {CNI} {own}"
    assert second.startswith(f"-A {CNI} ! -d 224.0.0.0/4 {name} -j NATFIX-")
    assert host.rules(backend, second.rpartition(" ")[2])[-1].endswith("-j MASQUERADE")


@each_ipv4_backend
def test_a_rule_in_podmans_chain_is_corrected_there(host: Host, backend: Backend) -> None:
    bridge(host, "podman0", "10.88.0.1/16")
    chain = "NETAVARK-1D8721804F16F"
    host.load(
        backend, f"-A POSTROUTING -s 10.88.0.0/16 -j {chain}", f"-A {chain} -d 10.88.0.0/16 -j ACCEPT",
        f"-A {chain} ! -d 224.0.0.0/4 -j MASQUERADE", chains=[chain],
    )  # fmt: skip
    host.natfix("apply", "--cluster-cidr", "10.80.0.0/12")
    host.natfix("check", "--cluster-cidr", "10.80.0.0/12")
    assert host.rules(backend)[0] == f"-A POSTROUTING -s 10.88.0.0/16 -j {chain}"
    host.natfix("undo")
    assert host.rules(backend, chain)[1] == f"-A {chain} ! -d 224.0.0.0/4 -j MASQUERADE"


@each_backend
def test_after_a_docker_restart_the_broad_rule_on_top_is_deleted(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    host.natfix("apply", *options(backend))
    host.run(str(backend), "-t", "nat", "-I", "POSTROUTING", *broad(backend).split())
    assert host.rules(backend) == posted(broad(backend), corrected(backend))
    host.natfix("check", *options(backend), code=1)
    host.natfix("apply", *options(backend))
    assert host.rules(backend) == posted(corrected(backend))
    host.natfix("undo")
    assert host.rules(backend) == posted(broad(backend), corrected(backend))
    host.natfix("undo")
    assert host.rules(backend) == posted(broad(backend))


@each_backend
def test_every_copy_of_the_rule_goes_and_one_corrected_rule_comes(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    other = neighbours(backend)[0]
    host.load(backend, f"-A POSTROUTING {other}", f"-A POSTROUTING {broad(backend)}", f"-A POSTROUTING {broad(backend)}")
    host.natfix("apply", *options(backend))
    assert host.rules(backend) == posted(corrected(backend), other)


@each_ipv4_backend
def test_two_bridges_are_corrected_in_one_transaction_and_counted_apart(host: Host, backend: Backend) -> None:
    bridge(host, "docker0", "172.7.21.1/24")
    bridge(host, "br-1", "172.7.121.1/24")
    second = "-s 172.7.121.0/24 ! -o br-1 -j MASQUERADE"
    host.load(backend, f"[1:2] -A POSTROUTING {broad(backend)}", f"[3:4] -A POSTROUTING {second}")
    change = host.natfix_json("apply", *options(backend))["changes"][0]
    assert change["script"].count("COMMIT") == 1
    new = second.replace(" ! -o", " ! -d 172.7.0.0/16 ! -o")
    assert host.counted(backend) == [f"[1:2] -A POSTROUTING {corrected(backend)}", f"[3:4] -A POSTROUTING {new}"]


def test_ipv4_and_ipv6_nft_and_legacy_are_corrected_at_once_and_undone_at_once(host: Host) -> None:
    bridge(host, "docker0", "172.7.21.1/24", "fd07:21::1/64")
    for backend in backends():
        host.load(backend, f"-A POSTROUTING {broad(backend)}")
    cidrs = [word for family in Family for word in ("--cluster-cidr", CLUSTER[family])]
    assert "both iptables-nft and iptables-legacy hold nat rules" in host.natfix("check", *cidrs, code=1)
    host.natfix("apply", *cidrs)
    assert [host.rules(backend) for backend in backends()] == [posted(corrected(backend)) for backend in backends()]
    host.natfix("undo")
    assert [host.rules(backend) for backend in backends()] == [posted(broad(backend)) for backend in backends()]


def test_what_natfix_may_not_correct_is_told_and_left_alone(host: Host) -> None:
    backend = backends(Family.IPV4)[0]
    docker_host(host, backend)
    stale = "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
    host.load(backend, f"-A POSTROUTING {stale}")
    said = host.natfix("apply", *options(backend))
    assert "NAT004" in said
    assert host.rules(backend) == posted(corrected(backend), stale)


@each_ipv4_backend
def test_a_comment_of_bytes_that_are_no_utf8_survives(host: Host, backend: Backend) -> None:
    bridge(host, "docker0", "172.7.21.1/24")
    odd = '-m comment --comment "\udcff \x0c \u2028 \x1c" -j MASQUERADE'
    host.load(backend, f"-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 {odd}")
    (before,) = host.rules(backend)
    host.natfix("apply", *options(backend))
    assert host.rules(backend) == [before.replace(" ! -o", " ! -d 172.7.0.0/16 ! -o")]
    host.natfix("undo")
    assert host.rules(backend) == [before]
