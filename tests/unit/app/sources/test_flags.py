"""Flags as Go programs take them."""

import pytest

from natfix.app.sources.flags import flag


@pytest.mark.parametrize(
    "words",
    [
        ["--subnet-file=./subnet.env"],
        ["-subnet-file=./subnet.env"],
        ["--subnet-file", "./subnet.env"],
        ["-subnet-file", "./subnet.env", "--ip-masq"],
    ],
)
def test_a_flag_is_read_in_every_form(words: list[str]) -> None:
    assert flag(["./flanneld", "--iface=eth0", *words], "subnet-file") == "./subnet.env"


def test_the_last_value_is_in_force() -> None:
    assert flag(["kube-proxy", "--cluster-cidr=10.0.0.0/8", "--cluster-cidr", "172.7.0.0/16"], "cluster-cidr") == (
        "172.7.0.0/16"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--cluster-cidr-other=10.0.0.0/8"],
        ["cluster-cidr=10.0.0.0/8"],
        ["--", "--cluster-cidr=10.0.0.0/8"],
        ["--cluster-cidr"],
        [],
    ],
)
def test_what_is_not_the_flag_says_nothing(words: list[str]) -> None:
    assert flag(["kube-proxy", *words], "cluster-cidr") == ""


def test_the_name_of_the_program_is_no_flag() -> None:
    assert flag(["--cluster-cidr=10.0.0.0/8"], "cluster-cidr") == ""


def test_a_process_without_a_command_line_has_no_flags() -> None:
    assert flag([], "cluster-cidr") == ""
