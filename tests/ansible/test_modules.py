"""The modules on a host of namespaces, with real iptables, as Ansible on that very host calls them."""

import json
import shutil

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.ansible.conftest import NATFIX
from tests.ansible.control import Control, Told, lines_of
from tests.kernel.hosts import CLUSTER, WRITTEN, Host, broad, corrected, debian, docker_host, options

pytestmark = pytest.mark.kernel

NFT4 = Backend(Family.IPV4, "nft")
CIDR = [CLUSTER[Family.IPV4]]


def ask(control: Control, module: str, *words: str, **wanted: object) -> Told:
    """Ask a module of the collection with this checkout's natfix."""
    return control.ask("here", f"natfix.natfix.{module}", *words, executable=str(NATFIX), **wanted)


def rules(host: Host) -> list[str]:
    return host.rules(NFT4)


@pytest.fixture
def spoilt(host: Host) -> Host:
    """A host with Docker's rule, and a file that is loaded at boot."""
    debian(host)
    docker_host(host, NFT4)
    return host


def test_apply_without_the_safety_line_corrects_once(here: Control, spoilt: Host) -> None:
    kernel, files = spoilt.counted(NFT4), spoilt.files(*WRITTEN)
    promised = spoilt.natfix_json("diff", *options(NFT4), code=1)["changes"]
    before = ask(here, "apply", "--check", "--diff", cluster_cidr=CIDR, confirm=0)
    assert [one["prepared"] for one in before.result["diff"]] == list(lines_of(promised))
    assert (spoilt.counted(NFT4), spoilt.files(*WRITTEN)) == (kernel, files)

    done = ask(here, "apply", cluster_cidr=CIDR, confirm=0)
    assert (done.result["changed"], done.result["corrected"]) == (True, before.result["corrected"])
    assert rules(spoilt) == [f"-A POSTROUTING {corrected(NFT4)}"]
    assert not ask(here, "apply", cluster_cidr=CIDR, confirm=0).result["changed"]

    would = ask(here, "undo", "--check", id="all")
    assert would.result["restored"][0]["added"] == [f"-A POSTROUTING {broad(NFT4)}"]
    assert rules(spoilt) == [f"-A POSTROUTING {corrected(NFT4)}"]
    assert ask(here, "undo", id="all").result["undone"] == [done.result["id"]]
    assert rules(spoilt) == [f"-A POSTROUTING {broad(NFT4)}"]
    assert not ask(here, "undo", id="all").result["changed"]


def test_the_options_of_apply_are_natfixs_own(here: Control, spoilt: Host) -> None:
    files = spoilt.files("/mnt/etc")
    options_of = {"persist": False, "keep_connections": True, "leave_guarded": True, "wait": 1}
    done = ask(here, "apply", cluster_cidr=CIDR, confirm=0, **options_of)
    assert [one["place"] for one in done.result["corrected"]] == ["iptables-nft"]
    assert spoilt.files("/mnt/etc") == files
    saved = ask(here, "apply", cluster_cidr=CIDR, confirm=0, file="/etc/own.save")
    assert [one["place"] for one in saved.result["corrected"]] == ["/etc/own.save"]


def test_the_safety_line_is_refused_where_there_is_no_login(here: Control, spoilt: Host) -> None:
    told = ask(here, "apply", cluster_cidr=CIDR)
    assert (told.outcome, told.result["reason"]) == ("failed", "connection")
    assert "confirm: 0" in told.result["msg"]
    assert rules(spoilt) == [f"-A POSTROUTING {broad(NFT4)}"]
    assert ask(here, "apply", "--check", cluster_cidr=CIDR).result["changed"]


def test_check_knows_a_baseline_and_how_bad_is_bad(here: Control, spoilt: Host) -> None:
    spoilt.natfix("check", *options(NFT4), "--write-baseline", "/etc/known.json")
    assert ask(here, "check", cluster_cidr=CIDR, baseline="/etc/known.json", fail_on="info").outcome == "ok"
    told = ask(here, "check", cluster_cidr=CIDR, fail_on="high")
    assert (told.outcome, told.result["reason"], told.result["summary"]) == ("failed", "found", {"high": 1})
    (found,) = told.result["findings"]
    expected = spoilt.natfix_json("check", *options(NFT4), code=1)["tables"][0]["findings"][0]
    assert {key: value for key, value in found.items() if key != "source"} == expected


def test_without_natfix_without_root_and_without_iptables_it_says_so(here: Control, spoilt: Host) -> None:
    missing = here.ask("here", "natfix.natfix.check", executable="/nowhere/natfix")
    assert (missing.result["reason"], "/nowhere/natfix is no program" in missing.result["msg"]) == ("missing", True)
    absent = here.ask("here", "natfix.natfix.check")
    if shutil.which("natfix", path="/usr/local/sbin:/opt/natfix/bin:/usr/sbin:/usr/bin") is None:
        assert (absent.result["reason"], "natfix is not installed" in absent.result["msg"]) == ("missing", True)
    for program in ("iptables", "ip6tables", "xtables"):
        spoilt.run("sh", "-c", f"rm -f /usr/sbin/{program}*")
    told = ask(here, "check", cluster_cidr=CIDR)
    assert (told.outcome, told.result["reason"], told.result["rc"]) == ("failed", "refused", 2)
    assert "iptables" in told.result["msg"]


def test_a_wrong_option_is_refused_in_natfixs_own_words(here: Control, spoilt: Host) -> None:
    told = ask(here, "check", cluster_cidr=["172.7.0.0/33"])
    assert (told.outcome, told.result["reason"]) == ("failed", "refused")
    assert "172.7.0.0/33" in told.result["msg"]


def test_units_are_refused_where_no_systemd_is(here: Control, spoilt: Host) -> None:
    told = ask(here, "install", mode=["watch"])
    assert (told.outcome, told.result["reason"], told.result["rc"]) == ("failed", "unsupported", 5)


def test_facts_are_there_for_the_tasks_to_come(here: Control, spoilt: Host) -> None:
    book = here.playbook(
        json.dumps(
            [
                {
                    "name": "Decide by facts",
                    "hosts": "here",
                    "gather_facts": False,
                    "tasks": [
                        {"natfix.natfix.check": {"executable": str(NATFIX), "cluster_cidr": CIDR}},
                        {
                            "ansible.builtin.assert": {
                                "that": ["not ansible_facts.natfix.right", "ansible_facts.natfix.subnets == ['172.7.21.0/24']"]
                            }
                        },
                    ],
                }
            ]
        )
    )
    assert here.play(book).code == 0
