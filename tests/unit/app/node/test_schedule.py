"""When to look: at once, with rests, and once a second in a fight."""

from natfix.app.node.schedule import INTERVAL, Schedule


def test_a_look_comes_every_minute_and_sooner_when_it_is_wanted() -> None:
    schedule = Schedule(100.0)
    assert not schedule.look_due(100.0 + INTERVAL - 1)
    assert schedule.look_due(100.0 + INTERVAL)
    schedule.by(110.0)
    schedule.by(120.0)
    assert schedule.sleep(105.0, touched=False) == 5.0
    schedule.looked(110.0, refused=False)
    assert schedule.sleep(110.0, touched=False) == INTERVAL


def test_what_is_refused_is_tried_again_less_and_less_often() -> None:
    schedule, now, pauses = Schedule(0.0), 0.0, []
    for _ in range(8):
        schedule.looked(now, refused=True)
        pauses.append(schedule.sleep(now, touched=False))
        now += pauses[-1]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    schedule.looked(now, refused=False)
    schedule.refused(now)
    assert schedule.sleep(now, touched=False) == 1.0


def test_a_repair_is_followed_by_a_rest_as_long_as_it_took() -> None:
    schedule = Schedule(0.0)
    assert schedule.sleep(5.0, touched=True) == 0.0
    assert not schedule.repaired(5.0, 5.3)
    assert not schedule.rested(5.5)
    assert schedule.sleep(5.4, touched=True) == 5.3 + (5.3 - 5.0) - 5.4
    assert schedule.rested(5.7)


def test_a_fight_is_told_once_slows_repairs_and_ends() -> None:
    schedule = Schedule(0.0)
    began = [schedule.repaired(number / 8, number / 8) for number in range(30)]
    assert began.count(True) == 1
    assert began.index(True) == 25
    assert schedule.sleep(29 / 8, touched=True) == 1.0
    assert not schedule.repaired(20.0, 20.0)
    assert not schedule.fighting
    assert schedule.rested(20.0)
