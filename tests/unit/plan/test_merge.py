from hypothesis import given
from hypothesis import strategies as st

from natfix.plan.merge import same_text, take_out

BROAD = "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
CORRECTED = "-A POSTROUTING -s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"
OTHER = "-A POSTROUTING -s 192.168.1.0/24 -j MASQUERADE"
FOREIGN = "-A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE"

lines = st.lists(st.sampled_from([BROAD, CORRECTED, OTHER, FOREIGN, "# a comment", "", "COMMIT"]), max_size=8)


def text(*rules: str) -> bytes:
    return "\n".join(["*nat", ":POSTROUTING ACCEPT [0:0]", *rules, "COMMIT", ""]).encode()


def test_a_replaced_rule_comes_back_at_its_place_and_what_somebody_added_stays() -> None:
    before, after = text(OTHER, BROAD), text(OTHER, CORRECTED)
    assert take_out(text(FOREIGN, OTHER, CORRECTED), before, after) == text(FOREIGN, OTHER, BROAD)


def test_an_added_rule_goes_and_nothing_comes_in_its_place() -> None:
    assert take_out(text(FOREIGN, CORRECTED, OTHER), text(OTHER), text(CORRECTED, OTHER)) == text(FOREIGN, OTHER)


def test_a_deleted_rule_comes_back_behind_the_line_it_followed() -> None:
    before, after = text(OTHER, BROAD, CORRECTED), text(OTHER, CORRECTED)
    assert take_out(text(OTHER, CORRECTED, FOREIGN), before, after) == text(OTHER, BROAD, CORRECTED, FOREIGN)


def test_a_deleted_rule_whose_neighbours_went_comes_back_behind_the_next_line_above_that_is_left() -> None:
    before, after = text(OTHER, BROAD, CORRECTED), text(OTHER, CORRECTED)
    assert take_out(text(FOREIGN), before, after) == text(BROAD, FOREIGN)


def test_a_deleted_first_line_comes_back_first() -> None:
    assert take_out(b"COMMIT\n", f"{BROAD}\nCOMMIT\n".encode(), b"COMMIT\n") == f"{BROAD}\nCOMMIT\n".encode()
    assert take_out(b"# new\n", f"{BROAD}\nCOMMIT\n".encode(), b"COMMIT\n") == f"{BROAD}\n# new\n".encode()


def test_a_rule_that_stands_elsewhere_in_a_text_made_anew_is_found() -> None:
    before = b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n" + text(BROAD)
    after = b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n" + text(CORRECTED)
    anew = f"*nat\n:INPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n{OTHER}\n{{}}\nCOMMIT\n"
    assert take_out(anew.format(CORRECTED).encode(), before, after) == anew.format(BROAD).encode()


def test_what_somebody_removed_stays_removed() -> None:
    assert take_out(text(OTHER), text(OTHER, BROAD), text(OTHER, CORRECTED)) == text(OTHER)


def test_a_rule_that_somebody_put_back_comes_not_twice() -> None:
    now = text(BROAD, OTHER, CORRECTED)
    assert take_out(now, text(OTHER, BROAD), text(OTHER, CORRECTED)) == text(BROAD, OTHER)


def test_new_counters_and_line_endings_make_no_other_lines() -> None:
    now = f"*nat\r\n:POSTROUTING ACCEPT [7:420]\r\n[5:300] {CORRECTED}\r\nCOMMIT\r\n".encode()
    expected = f"*nat\r\n:POSTROUTING ACCEPT [7:420]\r\n{BROAD}\nCOMMIT\r\n".encode()
    assert take_out(now, text(BROAD), text(CORRECTED)) == expected


def test_bytes_that_are_no_text_survive() -> None:
    now = text(CORRECTED).replace(b"COMMIT", b"# \xff\nCOMMIT")
    assert take_out(now, text(BROAD), text(CORRECTED)) == text(BROAD).replace(b"COMMIT", b"# \xff\nCOMMIT")


@given(lines, lines)
def test_what_nobody_else_changed_becomes_what_it_was(before: list[str], after: list[str]) -> None:
    old, new = text(*before), text(*after)
    assert take_out(new, old, new) == old


@given(lines, lines)
def test_without_a_change_of_natfix_nothing_changes(before: list[str], now: list[str]) -> None:
    assert take_out(text(*now), text(*before), text(*before)) == text(*now)


def test_texts_are_the_same_whatever_their_counters_and_comments_tell() -> None:
    one = b"# Generated on Mon\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j RETURN\nCOMMIT\n"
    other = b"# Generated on Tue\n*nat\n:POSTROUTING ACCEPT [7:8]\n[1:2] -A POSTROUTING -j RETURN\nCOMMIT\n"
    assert same_text(one, other)
    assert not same_text(one, other.replace(b"RETURN", b"ACCEPT"))
    assert not same_text(one, other.replace(b"POSTROUTING ACCEPT", b"POSTROUTING DROP"))
