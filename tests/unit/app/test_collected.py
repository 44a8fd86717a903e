"""natfix/app/collected.py: the file of natfix collect as a value."""

import json
from typing import Any

import pytest

from natfix.app.collected import Collected, Missing
from natfix.errors import BusyError, HostError, NatfixError, RulesetSyntaxError, UnsupportedError, UsageError
from tests.unit.app.collecting import collected, written


def document(**changes: Any) -> bytes:  # noqa: ANN401  (JSON)
    return json.dumps({**collected().to_json(), **changes}).encode()


def test_what_is_written_is_read_back() -> None:
    found = collected()
    read = Collected.parse(written(found), "x")
    assert read.to_json() == found.to_json()
    assert (read.rulesets, read.interfaces, read.routes, read.clusters) == (
        found.rulesets,
        found.interfaces,
        found.routes,
        found.clusters,
    )


def test_bytes_that_were_no_utf8_are_read_back() -> None:
    assert Collected.parse(document(ipsets="comment \udce4"), "x").ipsets == "comment \udce4"


def test_a_host_of_which_nothing_could_be_told_is_read_back() -> None:
    bare = Collected("0.1", "2026-01-01T00:00:00+00:00", missing=(Missing("rulesets", "busy", "held", "Wait."),))
    assert Collected.parse(written(bare), "x") == bare


def test_what_a_reader_does_not_know_is_left_alone() -> None:
    assert Collected.parse(document(weather="fine"), "x") == Collected.parse(document(), "x")


def test_what_an_older_natfix_did_not_write_is_not_known() -> None:
    old = {"schema": 1, "natfix": "0.0.1", "kind": "natfix-collected", "time": "2026-01-01T00:00:00+00:00"}
    assert Collected.parse(json.dumps(old).encode(), "x") == Collected("0.0.1", "2026-01-01T00:00:00+00:00")


def test_a_form_that_is_too_new_is_refused_with_the_natfix_that_reads_it() -> None:
    with pytest.raises(UsageError) as caught:
        Collected.parse(document(schema=2, natfix="9.1", rulesets="elsewhere"), "web1.natfix")
    message = "web1.natfix: it was written in form 2 by natfix 9.1, and this natfix reads forms up to 1"
    assert (caught.value.message, caught.value.hint) == (message, "Read it with natfix 9.1 or later.")


@pytest.mark.parametrize("text", [b'{"nftables": []}', b'{"schema": 1, "natfix": "1", "tables": []}', b'{"kind": "other"}'])
def test_another_document_is_refused(text: bytes) -> None:
    with pytest.raises(UsageError, match="x: kind: this is no file of natfix collect"):
        Collected.parse(text, "x")


def test_a_file_that_is_cut_off_is_pointed_at() -> None:
    with pytest.raises(RulesetSyntaxError, match=r"web1\.natfix, line 1, column"):
        Collected.parse(document()[:-20], "web1.natfix")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"schema": "1"}, "schema: it must be a number"),
        ({"time": None}, "time: it must be text"),
        ({"host": []}, "host: it must be an object"),
        ({"clusters": [{"networks": []}]}, r"clusters\[0\].networks: a cluster has networks"),
        (
            {"clusters": [{"networks": ["10.0.0.0/8", "fd00::/8"]}]},
            r"clusters\[0\].networks: a cluster has networks, all of one",
        ),
        ({"clusters": [{"networks": ["10.0.0.0/8"], "local": ["x"]}]}, r"clusters\[0\].local\[0\]: "),
        ({"rulesets": [{"backend": "iptables"}]}, r"rulesets\[0\].backend: it is none of iptables-nft, "),
        ({"rulesets": [{"backend": "iptables-nft", "nat": 1}]}, r"rulesets\[0\].nat: it must be text"),
        ({"nft": {}}, r"nft\.nftables: it is missing"),
        ({"nft": {"nftables": [1]}}, r"nft\.nftables\[0\]: it must be an object"),
        ({"interfaces": [{"addresses": ["10.0.0.300/8"]}]}, r"interfaces\[0\].addresses\[0\]: "),
        ({"routes": [{"to": "172.7.22.0/99"}]}, r"routes\[0\].to: "),
        ({"routes": [{"to": []}]}, r"routes\[0\].to: it must be text"),
        ({"routes": [{"to": ["10.0.0.0/8", "10.0.0.0/8"]}]}, r"routes\[0\].to: it must be text"),
        ({"policies": {"ipv4": [1]}}, r"policies.ipv4\[0\]: it must be text"),
        (
            {"docker": [{"name": "x", "bridge": "y", "subnets": [], "options": {"a": 1}}]},
            r"docker\[0\].options.a: it must be text",
        ),
        ({"settings": {"a": 1}}, "settings.a: it must be text"),
        ({"saved": {"a": 1}}, "saved.a: it must be text"),
        ({"counters": {"a": "x"}}, "counters.a: it must be a number"),
        ({"missing": [{"part": "nft", "kind": "host"}]}, r"missing\[0\].reason: it is missing"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(UsageError, match=f"web1.natfix: {place}"):
        Collected.parse(document(**changes), "web1.natfix")


@pytest.mark.parametrize(
    "error", [HostError("no"), UnsupportedError("native", hint="Use nft."), BusyError("held"), UsageError("odd")]
)
def test_what_is_missing_ends_as_it_did_on_the_host(error: NatfixError) -> None:
    again = Missing.of("nft", error).error("web1.natfix")
    assert (again.message, again.hint) == (f"web1.natfix: {error.message}", error.hint)
    assert again.exit_code == error.exit_code


def test_a_reason_of_a_kind_that_only_a_later_natfix_knows_is_one_of_the_host() -> None:
    missing = [{"part": "nft", "kind": "asleep", "reason": "it sleeps", "hint": None}]
    (read,) = Collected.parse(document(missing=missing), "x").missing
    assert read == Missing("nft", "host", "it sleeps")
