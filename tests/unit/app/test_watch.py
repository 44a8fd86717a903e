"""natfix/app/watch.py, pursuit.py, ledger.py: the watcher on the twins of all its ports."""

import json
from dataclasses import replace

import pytest

from natfix.app import metrics
from natfix.app.pursuit import Situation
from natfix.app.watch_ports import Event
from natfix.app.watch_state import STATE_PATH, read_watcher
from natfix.errors import BusyError, ConfigError, ConflictError, HostError
from tests.unit.app.scene import FIXED, LEGACY, OTHER, Scene, refuse, store
from tests.unit.app.twins import BROAD, wishes


def test_a_start_converges_with_no_memory_of_before() -> None:
    scene = Scene([store(BROAD), store(BROAD, backend=LEGACY)])
    scene.run()
    assert (scene.specs(0), scene.specs(1)) == ([FIXED], [FIXED])
    assert len(scene.chronicle.told("corrected")) == 2
    assert scene.notifier.told[:2] == ["status: 0 findings left, 2 corrections", "ready: 0 findings left, 2 corrections"]


def test_a_rule_that_is_put_back_is_corrected_and_told_with_its_writer() -> None:
    scene = Scene([store()])
    scene.put_back(10)
    scene.run()
    assert scene.specs() == [FIXED]
    (entry,) = scene.chronicle.told("corrected")
    assert entry.fields["before"] == f"-A POSTROUTING {BROAD}"
    assert entry.fields["after"] == f"-A POSTROUTING {FIXED}"
    assert entry.fields["writers"] == ["iptables (pid 812), started by bash fight.sh (pid 800)"]
    assert entry.fields["backend"] == "iptables-nft"
    assert isinstance(entry.fields["microseconds"], int)
    json.dumps(dict(entry.fields))


def test_the_first_correction_of_a_kind_is_rehearsed_and_recorded_and_its_repetitions_are_not() -> None:
    scene = Scene([store()])
    for after in (10, 20, 30):
        scene.put_back(after)
    scene.run()
    assert scene.specs() == [FIXED]
    assert (len(scene.stores[0].rehearsals), len(scene.stores[0].commits)) == (1, 3)
    (record,) = scene.host.history.records()
    assert (record.data["verb"], record.data["state"]) == ("watch", "done")
    entries = scene.chronicle.told("corrected")
    assert [entry.fields["repeated"] for entry in entries] == [False, True, True]
    assert [entry.fields["change"] for entry in entries] == [record.id, None, None]


def test_a_repeated_correction_keeps_the_counters_of_now() -> None:
    scene = Scene([store()])
    scene.put_back(10)
    scene.happens(15, Event("commit", variant="nft"), lambda: scene.stores[0].change("*nat\n-F POSTROUTING\nCOMMIT\n"))
    scene.put_back(20, f"-c 7 4200 {BROAD}")
    scene.run()
    assert "-I POSTROUTING 1 -c 7 4200 " in scene.stores[0].commits[1]


def test_its_own_writes_wake_nobody() -> None:
    scene = Scene([store()])
    scene.put_back(10)
    scene.run()
    # The start; the event, whose correction looks before and after the commit, and back once more.
    reads = scene.stores[0].reads
    scene = Scene([store()], seconds=1000.0)
    scene.put_back(10)
    scene.run()
    # Slow looks see the same generation, and read nothing.
    assert scene.stores[0].reads == reads


def test_what_comes_between_the_look_and_the_commit_is_seen_by_the_next_look() -> None:
    scene = Scene([store()])
    scene.put_back(10)

    def meanwhile() -> None:
        scene.stores[0].before_commit = lambda: None
        scene.put_back(10, OTHER)

    scene.stores[0].before_commit = meanwhile
    scene.run()
    assert sorted(scene.specs()) == sorted([FIXED, OTHER.replace("! -o", "! -d 172.7.0.0/16 ! -o")])


def test_a_rule_that_goes_before_it_is_corrected_is_no_failure() -> None:
    scene = Scene([store()])
    scene.put_back(10)
    scene.put_back(20)
    gone = ConflictError("it is no longer there")

    def vanish() -> None:
        if len(scene.stores[0].commits) == 1:
            scene.stores[0].before_commit = lambda: None
            scene.stores[0].chains["POSTROUTING"] = ()
            scene.stores[0].generation += 1
            raise gone

    scene.stores[0].before_commit = vanish
    scene.run()
    assert (scene.specs(), scene.told("refused")) == ([], [])


def test_somebody_elses_rules_stay() -> None:
    foreign = "-s 10.9.0.0/16 -o eth7 -j MASQUERADE"
    scene = Scene([store(foreign)])
    scene.put_back(10)
    scene.put_back(20, "-p tcp -m tcp --dport 9 -j RETURN")
    scene.run()
    assert scene.specs() == ["-p tcp -m tcp --dport 9 -j RETURN", FIXED, foreign]


def test_a_variant_that_holds_rules_later_is_watched_too() -> None:
    scene = Scene([store()])
    late = store(BROAD, backend=LEGACY)
    scene.happens(10, Event("lock", variant="legacy"), lambda: scene.tables.stores.append(late))
    scene.run()
    assert [rule.spec for rule in late.chains["POSTROUTING"]] == [FIXED]


def test_events_of_one_variant_do_not_read_the_other() -> None:
    scene = Scene([store(), store(backend=LEGACY)])
    scene.stores[1].stamp = lambda: None  # type: ignore[method-assign]
    scene.put_back(10)
    scene.run()
    assert scene.stores[1].reads == 1


def test_an_overrun_makes_it_look_at_everything() -> None:
    scene = Scene([store(), store(backend=LEGACY)])
    quiet = scene.stores[1]

    scene.happens(10, Event("overrun", variant="nft"), lambda: quiet.change(f"*nat\n-I POSTROUTING {BROAD}\nCOMMIT\n"))
    scene.run()
    assert scene.specs(1) == [FIXED]
    assert len(scene.told("lost")) == 1


def test_the_slow_look_finds_what_no_event_told() -> None:
    scene = Scene([store(), store(backend=LEGACY)], seconds=70.0)
    quiet = scene.stores[0]
    scene.happens(20, Event("lock", variant="legacy"), lambda: quiet.change(f"*nat\n-I POSTROUTING {BROAD}\nCOMMIT\n"))
    scene.happens(59, Event("lock", variant="legacy"), lambda: scene.seen.append(scene.specs()))
    scene.run()
    assert (scene.seen, scene.specs()) == ([[BROAD]], [FIXED])


def test_a_writer_that_keeps_putting_the_rule_back_is_named_and_answered_less_and_less_often() -> None:
    scene = Scene([store()], seconds=55.0)
    for tick in range(1, 1000):
        scene.put_back(tick * 0.05)
    scene.run()
    (fight,) = scene.chronicle.told("fight")
    assert fight.level == "error"
    assert fight.fields["writer"] == "bash fight.sh"
    assert "bash fight.sh keeps putting this rule back" in fight.message
    # 26 until it is seen, then after 1, 2, 4, 8, 16 seconds.
    assert len(scene.chronicle.told("corrected")) <= 26 + 5
    assert scene.meter.value(metrics.FIGHTS) == 1


def test_a_fight_over_one_rule_keeps_no_other_waiting() -> None:
    scene = Scene([store()], seconds=20.0)
    for tick in range(1, 350):
        scene.put_back(tick * 0.05)
    scene.put_back(18.2, OTHER)
    scene.run()
    assert OTHER.replace("! -o", "! -d 172.7.0.0/16 ! -o") in scene.specs()


def test_a_fight_that_is_over_is_told() -> None:
    scene = Scene([store()], seconds=300.0)
    for tick in range(1, 80):
        scene.put_back(tick * 0.05)
    scene.run()
    assert (len(scene.told("calm")), scene.meter.value(metrics.FIGHTS)) == (1, 0)
    assert scene.specs() == [FIXED]


def test_a_look_that_fails_is_told_once_and_tried_again() -> None:
    scene = Scene([store()], seconds=20.0)
    busy = BusyError("the lock was not free")
    scene.put_back(5)
    scene.stores[0].before_commit = refuse(busy)
    scene.happens(9, Event("hint"), lambda: setattr(scene.stores[0], "before_commit", lambda: None))
    scene.run()
    assert scene.told("refused") == ["the lock was not free"]
    assert scene.specs() == [FIXED]


def test_a_cluster_that_is_only_guessed_corrects_nothing_and_says_so() -> None:
    scene = Scene([store(BROAD)])
    guessed = tuple(replace(cluster, guessed=True) for cluster in wishes().clusters)
    scene.situation = Situation(replace(wishes(persist=False), clusters=guessed), settled=False)
    scene.run()
    assert scene.specs() == [BROAD]
    (message,) = scene.told("refused")
    assert "only guessed" in message


def test_a_cluster_that_is_told_later_is_used_from_then_on() -> None:
    scene = Scene([store(BROAD)])
    known = scene.situation
    scene.situation = Situation(replace(wishes(persist=False), clusters=()), settled=False)
    scene.happens(10, Event("hint", detail="/run/flannel/subnet.env"), lambda: setattr(scene, "situation", known))
    scene.run()
    assert scene.specs() == [FIXED]
    assert "status: 0 findings left, 1 corrections" in scene.notifier.told


def test_settings_are_read_again_on_a_signal() -> None:
    scene = Scene([store(BROAD)])
    known = scene.situation
    scene.situation = Situation(replace(wishes(persist=False), clusters=()))
    scene.happens(10, Event("reload"), lambda: setattr(scene, "situation", known))
    scene.run()
    assert scene.specs() == [FIXED]
    assert scene.told("reloaded") == ["natfix has read its settings again"]
    assert "reloading" in scene.notifier.told


def test_wrong_settings_are_refused_and_the_old_ones_kept() -> None:
    scene = Scene([store()])

    def break_settings() -> None:
        scene.situate = refuse(ConfigError("natfix.toml: unknown key clutser-cidr"))  # type: ignore[assignment]

    scene.happens(10, Event("reload"), break_settings)
    scene.put_back(20)
    scene.run()
    (message,) = scene.told("refused")
    assert "unknown key clutser-cidr" in message
    assert "the old ones kept" in message
    assert scene.specs() == [FIXED]


def test_it_does_not_start_with_wrong_settings() -> None:
    scene = Scene([store()])
    scene.situate = refuse(ConfigError("wrong"))  # type: ignore[assignment]
    with pytest.raises(ConfigError):
        scene.run()


def test_it_tells_the_service_manager_in_time_that_it_lives() -> None:
    scene = Scene([store()], seconds=100.0)
    scene.notifier._patience = 10.0
    scene.run()
    assert scene.notifier.told.count("alive") >= 20
    assert max(scene.events.waits) <= 5.0
    assert scene.notifier.told[-1] == "stopping"


def test_without_a_watchdog_only_the_slow_look_wakes_it() -> None:
    scene = Scene([store()], seconds=600.0)
    scene.run()
    assert len(scene.events.waits) == 10


def test_the_correction_is_saved_for_the_next_boot_after_the_rules_are_right() -> None:
    scene = Scene([store(BROAD)])
    scene.host.saves = True
    scene.situation = Situation(wishes())
    scene.run()
    assert FIXED in scene.host.saved()
    steps = scene.host.steps
    assert steps.index("write /etc/iptables/rules.v4") > steps.index("note done")
    assert scene.told("saved") == ["saved for the next boot: /etc/iptables/rules.v4"]


def test_a_disk_that_refuses_keeps_no_rule_wrong_and_is_tried_again() -> None:
    scene = Scene([store()], seconds=200.0)
    scene.host.saves = True
    scene.situation = Situation(wishes())
    scene.host.files.refusals["/etc/iptables/rules.v4"] = HostError("the file system is read-only")
    scene.put_back(5)
    scene.put_back(10)
    scene.happens(130, Event("lock", variant="legacy"), scene.host.files.refusals.clear)
    scene.run()
    assert scene.specs() == [FIXED]
    assert len(scene.told("refused")) == 1
    assert FIXED in scene.host.saved()


def test_connections_that_were_made_meanwhile_are_dropped() -> None:
    scene = Scene([store()])
    scene.put_back(10)
    scene.run()
    assert {str(each.source) for each in scene.host.connections.asked} == {"172.7.21.0/24"}


def test_connections_are_kept_on_request() -> None:
    scene = Scene([store()])
    scene.situation = Situation(wishes(persist=False, keep_connections=True))
    scene.put_back(10)
    scene.run()
    assert scene.host.connections.asked == []


def test_connections_that_cannot_be_dropped_are_told_and_the_correction_stands() -> None:
    scene = Scene([store()])
    scene.host.connections.refusal = HostError("no conntrack")
    scene.put_back(10)
    scene.run()
    assert scene.specs() == [FIXED]
    assert scene.told("refused") == ["connections made meanwhile keep the node's address until they end: no conntrack"]


def test_status_shows_the_watcher_while_it_runs_and_forgets_it_when_it_has_ended() -> None:
    scene = Scene([store()])
    scene.put_back(10)
    scene.happens(20, Event("lock", variant="legacy"), scene.keep_state)
    scene.run()
    scene.host.files.contents[STATE_PATH] = scene.states[0].encode()
    watcher = read_watcher(scene.host.files)
    assert watcher is not None
    assert (watcher.pid, watcher.alive, watcher.corrections) == (42, True, 1)
    assert BROAD in watcher.last
    scene.host.files.remove(STATE_PATH)
    assert read_watcher(scene.host.files) is None


def test_a_watcher_that_was_killed_is_known_by_its_start_time() -> None:
    scene = Scene([store()])
    scene.happens(20, Event("lock", variant="legacy"), scene.keep_state)
    scene.run()
    scene.host.files.contents[STATE_PATH] = scene.states[0].encode()
    scene.host.files.contents["/proc/42/stat"] = b"42 (python3) S 1 " + b"0 " * 17 + b"999 0"
    watcher = read_watcher(scene.host.files)
    assert watcher is not None
    assert not watcher.alive


@pytest.mark.parametrize("damaged", [b"{", b"[" * 100_000])
def test_a_damaged_state_says_what_to_do(damaged: bytes) -> None:
    scene = Scene([store()])
    scene.host.files.contents[STATE_PATH] = damaged
    with pytest.raises(HostError, match="no state of a watcher"):
        read_watcher(scene.host.files)


def test_a_state_that_cannot_be_written_is_told_once_and_keeps_nothing_from_being_corrected() -> None:
    scene = Scene([store()])
    scene.host.files.refusals[STATE_PATH] = HostError("no space left")
    scene.put_back(10)
    scene.put_back(20)
    scene.run()
    assert scene.specs() == [FIXED]
    assert scene.told("refused") == ["natfix status will not show this watcher as it is: no space left"]
