"""natfix/app/vigil.py: when to look and when to hold back."""

import pytest

from natfix.app.vigil import Limit, Patience, Vigil

PATIENCE = Patience(interval=60, limits=(Limit(3, 10.0), Limit(5, 1000.0)), first_pause=1, longest_pause=8)
RULE = "iptables-nft: -A POSTROUTING -j MASQUERADE"


@pytest.fixture
def vigil() -> Vigil:
    return Vigil(PATIENCE, 0.0)


def provoke(vigil: Vigil, now: float = 0.0, rule: str = RULE) -> float:
    """Correct a rule again and again, until that is a fight; give the time."""
    for _ in range(20):
        if vigil.corrected(rule, now, ["bash fight.sh"]):
            return now
        now += 0.1
    raise AssertionError("no fight was seen")


def test_nothing_is_due_until_something_happens(vigil: Vigil) -> None:
    assert not vigil.due(30.0)
    vigil.heard()
    assert vigil.due(30.0)


def test_the_slow_look_is_due_after_its_interval_and_again_after_the_next(vigil: Vigil) -> None:
    assert (vigil.sleep(0.0), vigil.slow_due(59.9), vigil.slow_due(60.0)) == (60.0, False, True)
    vigil.looked(60.0, 60.5, slow=True)
    assert (vigil.slow_due(61.0), vigil.sleep(60.5)) == (False, 60.0)


def test_a_look_at_events_does_not_put_off_the_slow_one(vigil: Vigil) -> None:
    vigil.heard()
    vigil.looked(59.0, 59.1)
    assert vigil.slow_due(60.0)


def test_it_rests_as_long_as_it_looked_so_that_a_storm_takes_half_of_its_time(vigil: Vigil) -> None:
    vigil.heard()
    vigil.looked(10.0, 10.4)
    vigil.heard()
    assert not vigil.due(10.7)
    assert vigil.sleep(10.7) == pytest.approx(0.1)
    assert vigil.due(10.8)


def test_it_rests_no_longer_than_ten_seconds(vigil: Vigil) -> None:
    vigil.looked(10.0, 40.0)
    vigil.heard()
    assert vigil.due(50.0)


def test_a_look_that_was_in_somebodys_way_is_made_again_later(vigil: Vigil) -> None:
    vigil.hold_off(5.0, 1.0)
    assert (vigil.due(5.5), vigil.sleep(5.5)) == (False, 0.5)
    assert vigil.due(6.0)


def test_more_corrections_of_one_rule_than_the_limit_are_a_fight_and_name_the_writer(vigil: Vigil) -> None:
    for now in (0.0, 1.0, 2.0):
        assert vigil.corrected(RULE, now, ["bash fight.sh", "dockerd"]) is None
    fight = vigil.corrected(RULE, 3.0, ["bash fight.sh"])
    assert fight is not None
    assert (fight.kind, fight.writer, fight.times, fight.pause) == (RULE, "bash fight.sh", 4, 1)


def test_a_fight_is_told_once(vigil: Vigil) -> None:
    now = provoke(vigil)
    assert [vigil.corrected(RULE, now + wait) for wait in (1, 3, 7)] == [None] * 3


def test_corrections_far_enough_apart_are_no_fight(vigil: Vigil) -> None:
    assert [vigil.corrected(RULE, now) for now in (0.0, 300.0, 600.0, 900.0, 1200.0, 1500.0, 1800.0)] == [None] * 7


def test_a_slow_writer_that_never_stops_is_a_fight_too(vigil: Vigil) -> None:
    found = [vigil.corrected(RULE, 30.0 * number, ["agent"]) is not None for number in range(6)]
    assert found == [False] * 5 + [True]


def test_corrections_of_different_rules_are_no_fight(vigil: Vigil) -> None:
    assert [vigil.corrected(f"{RULE} {number}", 0.1 * number) for number in range(20)] == [None] * 20


def test_the_pause_doubles_up_to_the_longest(vigil: Vigil) -> None:
    now = provoke(vigil)
    pauses = []
    for _ in range(6):
        now += vigil.fights[RULE].pause
        vigil.corrected(RULE, now)
        pauses.append(vigil.fights[RULE].pause)
    assert pauses == [2, 4, 8, 8, 8, 8]


def test_a_rule_that_is_fought_over_waits_and_others_do_not(vigil: Vigil) -> None:
    now = provoke(vigil)
    assert (vigil.holds(RULE, now + 0.9), vigil.holds(RULE, now + 1.0), vigil.holds("other", now)) == (True, False, False)


def test_after_the_pause_a_look_is_due_without_an_event(vigil: Vigil) -> None:
    now = provoke(vigil)
    vigil.looked(now, now)
    assert vigil.sleep(now) == pytest.approx(1.0)
    assert (vigil.due(now + 0.5), vigil.due(now + 1.0)) == (False, True)


def test_a_pause_in_which_nobody_put_the_rule_back_wakes_once(vigil: Vigil) -> None:
    now = provoke(vigil) + 1.0
    vigil.looked(now, now)
    assert (vigil.due(now + 5), vigil.sleep(now)) == (False, 60.0 - now)


def test_a_fight_is_over_after_a_minute_of_quiet_and_forgotten(vigil: Vigil) -> None:
    now = provoke(vigil)
    assert vigil.calmed(now + 59.0) == ()
    (fight,) = vigil.calmed(now + 60.0)
    assert fight.kind == RULE
    assert (vigil.calmed(now + 61.0), vigil.holds(RULE, now + 61.0)) == ((), False)
    assert vigil.corrected(RULE, now + 62.0) is None


def test_a_long_pause_needs_a_longer_quiet() -> None:
    vigil = Vigil(Patience(limits=PATIENCE.limits, first_pause=100, longest_pause=100), 0.0)
    now = provoke(vigil)
    assert (vigil.calmed(now + 199.0), len(vigil.calmed(now + 200.0))) == ((), 1)


def test_a_fight_that_nobody_was_seen_in_names_nobody(vigil: Vigil) -> None:
    for now in (0.0, 1.0, 2.0):
        vigil.corrected(RULE, now)
    fight = vigil.corrected(RULE, 3.0)
    assert fight is not None
    assert fight.writer == ""


def test_corrections_that_no_longer_count_are_forgotten(vigil: Vigil) -> None:
    for number in range(100):
        vigil.corrected(f"network {number}", float(number))
    vigil.calmed(2000.0)
    assert vigil._past == {}


def test_twenty_restarts_of_docker_in_a_row_are_no_fight() -> None:
    vigil = Vigil(Patience(), 0.0)
    writes = [2.0 * start + pause for start in range(20) for pause in (0.0, 0.3)]
    assert [vigil.corrected(RULE, now, ["dockerd"]) for now in writes] == [None] * 40


@pytest.mark.parametrize("period", [5.0, 30.0, 60.0])
def test_the_resync_of_another_agent_is_a_fight(period: float) -> None:
    vigil = Vigil(Patience(), 0.0)
    assert any(vigil.corrected(RULE, period * number, ["agent"]) for number in range(60))


def test_a_script_that_writes_every_50_ms_is_answered_less_and_less_often() -> None:
    vigil = Vigil(Patience(), 0.0)
    corrections = 0
    for tick in range(20 * 60):
        now = tick / 20
        if not vigil.holds(RULE, now):
            vigil.corrected(RULE, now)
            corrections += 1
    # 26 until it is seen, then after 1, 2, 4, 8, 16 seconds.
    assert corrections == 26 + 5
