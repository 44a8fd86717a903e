"""natfix/nft/step.py: the ways that packets take through a rule."""

from natfix.nft.step import EVERYBODY, NOBODY, How, Way, asked


def test_some_ways_come_back_behind_the_rule_and_some_never() -> None:
    came = {how: Way(does="-j X", how=how).comes_back for how in How}
    assert came == {How.ON: True, How.CALL: True, How.END: False, How.LEAVE: False}
    assert not Way().comes_back, "it changes nothing"


def test_what_is_called_at_the_end_of_a_chain_goes_on_behind_the_rule() -> None:
    assert Way(does="-j x", how=How.CALL).final == "-g x"
    assert Way(does="-j ACCEPT", how=How.END).final == "-j ACCEPT"


def test_a_test_alone_is_a_step() -> None:
    assert asked("-p tcp", "-p udp") == (Way("-p tcp"), Way("-p udp"))
    assert (asked(""), asked()) == (EVERYBODY, NOBODY)
