from ipaddress import ip_address, ip_interface

import pytest

from natfix.app.apply import apply_change, preview
from natfix.app.cluster import Cluster
from natfix.app.ports import Backend, Interface
from natfix.app.undo import undo, undo_unconfirmed
from natfix.errors import BusyError, ConflictError, HostError, RolledBackError, UsageError
from natfix.ruleset import Family, parse_network
from tests.unit.app.twins import (
    BROAD,
    BROAD6,
    CORRECTED,
    CORRECTED6,
    LEGACY4,
    NFT4,
    NFT6,
    OTHER,
    RULES4,
    RULES6,
    Host,
    host,
    nat,
    refuse,
    wishes,
)

CONFLICT = ConflictError("a rule to be replaced is no longer there")
REFUSAL = HostError("the kernel refused")
GUESS = Cluster((parse_network("172.7.0.0/16"),), "1 route to a peer", guessed=True)


@pytest.fixture
def docker() -> Host:
    """A host with Docker's rule, in the kernel and in the file."""
    made = host()
    made.files.replace(RULES4, nat(BROAD).encode())
    made.done()
    return made


def unchanged(docker: Host) -> bool:
    return (docker.table.specs, docker.saved()) == ([BROAD], nat(BROAD))


def test_all_is_rehearsed_then_noted_then_written_then_committed(docker: Host) -> None:
    result = apply_change(docker.machine, wishes())
    assert docker.done() == [
        "rehearse iptables-nft", "note started", f"write {RULES4}", "commit iptables-nft", "note done", "forget connections",
    ]  # fmt: skip
    assert (docker.table.specs, docker.saved()) == ([CORRECTED], nat(CORRECTED))
    assert (result.verb, result.done, result.id) == ("apply", True, "20260101T000000Z-1")
    assert [change.place for change in result.changes] == ["iptables-nft", RULES4]


def test_what_cannot_be_rehearsed_is_said_and_made_all_the_same() -> None:
    limited = host()
    limited.refused = lambda _family, _data: "file not loaded on trial"
    limited.table.unproved = "not rehearsed"
    result = apply_change(limited.machine, wishes())
    assert result.unproved == ("not rehearsed", "file not loaded on trial")
    assert set(result.unproved) <= set(result.notes)
    assert limited.table.specs == [CORRECTED]
    assert undo(limited.machine).notes[0] == "not rehearsed"


def test_a_preview_tells_the_same_changes_and_does_nothing(docker: Host) -> None:
    shown = preview(docker.machine, wishes())
    assert docker.done() == []
    assert unchanged(docker)
    assert (shown.done, shown.id) == (False, "")
    assert apply_change(docker.machine, wishes()).changes == shown.changes


def test_nothing_to_do_writes_nothing_and_looks_at_no_connection(docker: Host) -> None:
    apply_change(docker.machine, wishes())
    docker.done()
    result = apply_change(docker.machine, wishes())
    assert docker.done() == []
    assert (result.done, result.changes) == (False, ())


def test_both_backends_and_both_families_are_corrected() -> None:
    both = host(more=[(LEGACY4, BROAD), (NFT6, BROAD6)])
    result = apply_change(both.machine, wishes())
    assert [table.specs for table in both.tables] == [[CORRECTED], [CORRECTED], [CORRECTED6]]
    assert [change.place for change in result.changes] == [*(str(table.backend) for table in both.tables), RULES4, RULES6]
    assert CORRECTED6 in both.saved(RULES6)


@pytest.mark.parametrize("backend", [NFT4, LEGACY4])
def test_a_broad_rule_beside_its_corrected_twin_is_deleted(backend: Backend) -> None:
    restarted = host(BROAD, CORRECTED, backend=backend)
    apply_change(restarted.machine, wishes())
    assert restarted.table.specs == [CORRECTED]


def test_what_somebody_changed_in_between_is_read_again_and_corrected(docker: Host) -> None:
    docker.table.before = [refuse(CONFLICT)]
    apply_change(docker.machine, wishes())
    assert docker.done().count("commit iptables-nft") == 2
    assert docker.table.specs == [CORRECTED]
    assert docker.history.states == ["done"]


def test_what_was_refused_in_a_conflict_is_not_noted_as_done(docker: Host) -> None:
    docker.table.insert(CORRECTED)

    def somebody_deletes_the_broad_rule() -> None:
        docker.table.chains["POSTROUTING"] = docker.table.chains["POSTROUTING"][:1]
        raise CONFLICT

    docker.table.before = [somebody_deletes_the_broad_rule]
    apply_change(docker.machine, wishes())
    assert docker.table.specs == [CORRECTED]
    undo(docker.machine)
    assert docker.table.specs == [CORRECTED]


def test_a_conflict_that_does_not_end_changes_nothing(docker: Host) -> None:
    docker.table.before = [refuse(CONFLICT)] * 9
    with pytest.raises(ConflictError):
        apply_change(docker.machine, wishes())
    assert unchanged(docker)
    assert docker.history.states == ["rolled back"]


def test_when_the_kernel_refuses_the_file_becomes_what_it_was(docker: Host) -> None:
    docker.table.before = [refuse(REFUSAL)]
    with pytest.raises(HostError, match="the kernel refused"):
        apply_change(docker.machine, wishes())
    assert docker.done()[2:] == [f"write {RULES4}", "commit iptables-nft", f"write {RULES4}", "note rolled back"]
    assert unchanged(docker)


def test_when_the_second_kernel_table_refuses_the_first_becomes_what_it_was() -> None:
    both = host(more=[(LEGACY4, BROAD)])
    both.tables[1].before = [refuse(REFUSAL)]
    with pytest.raises(HostError):
        apply_change(both.machine, wishes())
    assert [table.specs for table in both.tables] == [[BROAD], [BROAD]]
    assert RULES4 not in both.files.contents


def test_somebody_who_keeps_putting_the_rule_back_ends_in_a_roll_back(docker: Host) -> None:
    docker.table.behind = [lambda: docker.table.insert(BROAD)] * 9
    with pytest.raises(RolledBackError, match="somebody keeps putting them back"):
        apply_change(docker.machine, wishes())
    assert set(docker.table.specs) == {BROAD}
    assert docker.saved() == nat(BROAD)
    assert docker.history.states == ["rolled back"]


def test_a_rule_that_came_in_between_is_corrected_and_undone_with_the_other(docker: Host) -> None:
    second = BROAD.replace("172.7.21", "172.7.9").replace("docker0", "br-1")
    docker.interfaces = (*docker.interfaces, Interface("br-1", "bridge", (ip_interface("172.7.9.1/24"),)))
    docker.table.behind = [lambda: docker.table.insert(second)]
    apply_change(docker.machine, wishes())
    assert docker.table.specs == [second.replace(" ! -o", " ! -d 172.7.0.0/16 ! -o"), CORRECTED]
    undo(docker.machine)
    assert docker.table.specs == [second, BROAD]


def test_a_roll_back_that_fails_too_tells_both(docker: Host) -> None:
    def fill_the_disk() -> None:
        docker.files.refusals[RULES4] = HostError("the disk is full")
        raise REFUSAL

    docker.table.behind = [fill_the_disk]
    with pytest.raises(
        RolledBackError, match=r"the kernel refused\nand taking the change back failed as well: the disk is full"
    ):
        apply_change(docker.machine, wishes())
    assert docker.history.states == ["started"]


@pytest.mark.parametrize("state", ["started", "done"])
def test_a_change_that_cannot_be_noted_is_not_made(docker: Host, state: str) -> None:
    docker.history.refusals = {state: HostError("the disk is full"), "rolled back": HostError("the disk is full")}
    with pytest.raises(HostError, match="the disk is full"):
        apply_change(docker.machine, wishes())
    assert unchanged(docker)


def test_a_file_that_iptables_would_refuse_is_not_written(docker: Host) -> None:
    def refuse(family: Family, data: bytes) -> str:
        raise HostError(f"IPv{family} {data!r}")

    docker.refused = refuse
    with pytest.raises(HostError, match="IPv4"):
        apply_change(docker.machine, wishes())
    assert docker.done() == ["rehearse iptables-nft"]


def test_a_rehearsal_that_fails_ends_it_before_anything_is_noted() -> None:
    odd = host(BROAD, "-j NO-SUCH-TARGET")
    with pytest.raises(HostError, match="tried on a copy; nothing was changed"):
        apply_change(odd.machine, wishes())
    assert odd.done() == ["rehearse iptables-nft"]


def test_a_guess_is_refused_with_what_to_say(docker: Host) -> None:
    with pytest.raises(UsageError, match=r"is only guessed .from 1 route to a peer.*\n.*--cluster-cidr 172.7.0.0/16"):
        apply_change(docker.machine, wishes(GUESS))
    assert docker.done() == []


def test_a_guess_that_changes_nothing_is_no_error() -> None:
    apply_change(host(OTHER).machine, wishes(GUESS))


def test_an_unknown_cluster_is_asked_for(docker: Host) -> None:
    only_six = Cluster((parse_network("fd07::/16"),), "--cluster-cidr")
    with pytest.raises(UsageError, match=r"no cluster CIDR is known(.|\n)*--cluster-cidr 172.7.0.0/16"):
        apply_change(docker.machine, wishes(only_six))
    assert docker.done() == []


def test_another_natfix_at_work_is_not_disturbed(docker: Host) -> None:
    docker.turnstile.holder = "process 4711, natfix apply"
    with pytest.raises(BusyError, match="process 4711"):
        apply_change(docker.machine, wishes())
    assert docker.done() == []


def test_connections_from_each_subnet_to_the_rest_of_the_cluster_are_forgotten(docker: Host) -> None:
    result = apply_change(docker.machine, wishes())
    (asked,) = docker.connections.asked
    assert ip_address("172.7.21.2") in asked.source
    assert (asked.destinations, asked.excluded) == ((parse_network("172.7.0.0/16"),), (parse_network("172.7.21.0/24"),))
    assert result.connections == 1


def test_connections_are_kept_when_the_user_says_so_and_when_only_a_file_changes(docker: Host) -> None:
    apply_change(docker.machine, wishes(keep_connections=True))
    assert docker.connections.asked == []
    docker.files.contents[RULES4] = nat(BROAD).encode()
    apply_change(docker.machine, wishes())
    assert docker.connections.asked == []


def test_the_correction_stands_when_connections_cannot_be_dropped(docker: Host) -> None:
    docker.connections.refusal = HostError("no rights")
    result = apply_change(docker.machine, wishes())
    assert result.notes == ("connections that are open now keep the node's address until they end: no rights",)
    assert docker.history.states == ["done"]


def test_a_change_to_be_confirmed_is_watched_before_it_is_made(docker: Host) -> None:
    result = apply_change(docker.machine, wishes(confirm=60))
    assert docker.watchdog.armed == {result.id: 60}
    assert result.confirm_within == 60
    assert docker.history.states == ["waiting"]
    undo_unconfirmed(docker.machine, result.id)
    assert unchanged(docker)
    assert docker.history.states == ["rolled back"]


def test_without_a_watchdog_a_change_to_be_confirmed_is_not_made(docker: Host) -> None:
    def fail(change: str, seconds: float) -> None:
        raise HostError(f"cannot start {change} {seconds}")

    docker.watchdog.arm = fail  # type: ignore[method-assign]
    with pytest.raises(HostError, match="cannot start"):
        apply_change(docker.machine, wishes(confirm=60))
    assert unchanged(docker)
    assert docker.history.states == ["rolled back"]


def test_what_a_killed_natfix_began_is_settled_by_the_next(docker: Host) -> None:
    docker.history.refusals = {"done": HostError("killed here"), "rolled back": HostError("dead")}
    with pytest.raises(HostError):
        apply_change(docker.machine, wishes())
    docker.history.refusals = {}
    assert docker.history.states == ["started"]
    apply_change(docker.machine, wishes())
    assert docker.history.states == ["done", "done"]
    apply_change(docker.machine, wishes())
    assert docker.history.states == ["done", "done"]
