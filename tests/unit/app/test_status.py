import pytest

from natfix.app.apply import apply_change
from natfix.app.status import look
from natfix.errors import HostError
from tests.unit.app.twins import CORRECTED, OTHER, RULES4, RULES6, Host, host, nat, wishes


def places(made: Host) -> list[tuple[str, bool]]:
    return [(place.place, place.right) for place in look(made.machine, wishes()).places]


def test_before_a_correction_kernel_and_file_are_wrong() -> None:
    made = host()
    status = look(made.machine, wishes())
    assert places(made) == [("iptables-nft", False), (RULES4, False), (RULES6, True)]
    assert (status.right, status.last, status.waiting) == (False, None, ())
    assert made.done() == []


def test_after_a_correction_all_is_right_and_the_change_is_told() -> None:
    made = host()
    apply_change(made.machine, wishes())
    status = look(made.machine, wishes())
    assert status.right
    assert status.last is not None
    assert (status.last.verb, status.last.state, status.last.places) == ("apply", "done", ("iptables-nft", RULES4))
    assert [str(origin.networks[0]) for origin in status.clusters] == ["172.7.0.0/16"]


def test_a_file_that_lacks_the_correction_is_wrong_beside_a_right_kernel() -> None:
    made = host(CORRECTED)
    made.files.contents[RULES4] = nat(OTHER).encode()
    assert places(made) == [("iptables-nft", True), (RULES4, False), (RULES6, True)]


def test_a_change_that_waits_is_not_right_yet() -> None:
    made = host()
    apply_change(made.machine, wishes(confirm=60))
    status = look(made.machine, wishes())
    assert ([change.state for change in status.waiting], status.right) == (["waiting"], False)


def test_a_change_during_which_natfix_died_is_told() -> None:
    made = host()
    made.history.refusals = {"done": HostError("killed here"), "rolled back": HostError("dead")}
    with pytest.raises(HostError):
        apply_change(made.machine, wishes())
    assert [change.state for change in look(made.machine, wishes()).waiting] == ["started"]
