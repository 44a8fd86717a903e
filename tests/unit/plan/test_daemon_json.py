"""natfix/plan/daemon_json.py: edits of Docker's daemon.json, byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natfix.errors import ConfigError
from natfix.plan.daemon_json import read_options, remove_option, set_option, undo_options

SOURCE = "daemon.json"
KEY = "ip-masq"


def edited(text: str | None, name: str = KEY, value: object = False) -> str:  # noqa: FBT002
    return set_option(None if text is None else text.encode(), name, value, SOURCE).decode()


def removed(text: str, name: str = KEY) -> str:
    return remove_option(text.encode(), name, SOURCE).decode()


@pytest.mark.parametrize("text", [None, "", " \n", "{}", "{ }", "{\n}"])
def test_a_file_without_options_gets_the_first(text: str | None) -> None:
    assert edited(text) == '{\n  "ip-masq": false\n}\n'


def test_what_follows_an_empty_object_stays() -> None:
    assert edited("\n{}\n\n") == '\n{\n  "ip-masq": false\n}\n\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{\n    "bip": "172.7.21.1/24"\n}\n', '{\n    "bip": "172.7.21.1/24",\n    "ip-masq": false\n}\n'),
        ('{"bip":"172.7.21.1/24", "debug":true}', '{"bip":"172.7.21.1/24", "debug":true, "ip-masq": false}'),
        ('{"bip":"x"}', '{"bip":"x", "ip-masq": false}'),
        ('{"bip":"x","a":1}', '{"bip":"x","a":1,"ip-masq": false}'),
        (
            '{\r\n\t"a": {"ip-masq": 1},\r\n\t"b": []\r\n}',
            '{\r\n\t"a": {"ip-masq": 1},\r\n\t"b": [],\r\n\t"ip-masq": false\r\n}',
        ),
        ('{"a\\"}": "{,:\\"", "b": [1, {"c": "}"}] }', '{"a\\"}": "{,:\\"", "b": [1, {"c": "}"}], "ip-masq": false }'),
    ],
)
def test_an_option_is_put_behind_the_last_as_the_file_is_written(before: str, after: str) -> None:
    assert edited(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"ip-masq" :  true , "x": 1}', '{"ip-masq" :  false , "x": 1}'),
        ('{"x": 1, "ip-masq": "no"}', '{"x": 1, "ip-masq": false}'),
        ('{"ip-masq": 0}', '{"ip-masq": false}'),
        ('{"ip-masq":false }\n', '{"ip-masq":false }\n'),
    ],
)
def test_an_option_that_is_there_gets_another_value_in_its_place(before: str, after: str) -> None:
    assert edited(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{\n  "bip": "x",\n  "ip-masq": false\n}\n', '{\n  "bip": "x"\n}\n'),
        ('{"ip-masq": false, "bip": "x"}', '{"bip": "x"}'),
        ('{"a": 1, "ip-masq": false, "b": 2}', '{"a": 1, "b": 2}'),
        ('{"ip-masq": false}', "{}"),
        ('{"bip": "x"}', '{"bip": "x"}'),
    ],
)
def test_an_option_is_taken_out_with_its_comma(before: str, after: str) -> None:
    assert removed(before) == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "bip": "x"\n  "a": 1\n}', "daemon.json, line 3, column 3: Expecting ',' delimiter\n      \"a\": 1\n      ^"),
        ("[]", "daemon.json, line 1, column 1: expecting an object\n    []\n    ^"),
        ("\n 1", "daemon.json, line 2, column 2: expecting an object\n     1\n     ^"),
        (
            '{"a": 1, "a": 2}',
            'daemon.json is no JSON that can be edited: "a" stands in it twice, and nobody knows which one counts',
        ),
        ('{"a": {"b": 1, "b": 2}}', 'daemon.json is no JSON that can be edited: "b" stands in it twice'),
        ('{"a": NaN}', "daemon.json is no JSON that can be edited: NaN is no number of JSON"),
        ('{"a": 1} // why', "daemon.json, line 1, column 10: Extra data"),
        ("[" * 100_000, "daemon.json is no JSON that can be edited: "),
    ],
)
def test_what_docker_would_not_read_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        edited(text)
    assert caught.value.message.startswith(message)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="byte 7 is not UTF-8"):
        read_options(b'{"a": \xff}', SOURCE)
    with pytest.raises(ConfigError, match="BOM"):
        read_options(b"\xef\xbb\xbf{}", SOURCE)


def test_a_file_that_is_not_there_says_nothing() -> None:
    assert read_options(None, SOURCE) == {}
    assert read_options(b'{"ip-masq": false, "mtu": 1450}', SOURCE) == {"ip-masq": False, "mtu": 1450}


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ('{"a": 1}', '{"a": 2, "ip-masq": false, "c": 3}', '{"a": 2, "c": 3}'),
        ('{"ip-masq": true}', '{"c": 3, "ip-masq": false}', '{"c": 3, "ip-masq": true}'),
        ('{"a": 1}', '{"a": 1, "ip-masq": true}', '{"a": 1, "ip-masq": true}'),
        ('{"a": 1}', '{"a": 2}', '{"a": 2}'),
        (None, '{"ip-masq": false, "c": 3}', '{"c": 3}'),
    ],
)
def test_what_others_changed_since_stays_when_an_edit_is_taken_back(before: str | None, now: str, expected: str) -> None:
    first = None if before is None else before.encode()
    after = set_option(first, KEY, False, SOURCE)  # noqa: FBT003  (the value of the option)
    assert undo_options(now.encode(), first, after, SOURCE).decode() == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.dictionaries(st.text(), VALUES), st.sampled_from([None, 0, 2, "\t"]), st.booleans())
def test_an_edit_changes_its_option_alone_and_can_be_taken_back(
    options: dict[str, object],
    indent: str | int | None,
    ascii_only: bool,  # noqa: FBT001
) -> None:
    options.pop(KEY, None)
    data = json.dumps(options, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    after = set_option(data, KEY, False, SOURCE)  # noqa: FBT003
    assert json.loads(after) == {**options, KEY: False}
    assert set_option(after, KEY, False, SOURCE) == after  # noqa: FBT003
    assert json.loads(undo_options(after, data, after, SOURCE)) == options
