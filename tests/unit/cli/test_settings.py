"""natfix settings: a file is tried before it is put in place."""

from pathlib import Path

from tests.unit.cli.program import Program


def test_it_says_what_the_file_says(natfix: Program, tmp_path: Path) -> None:
    path = tmp_path / "natfix.toml"
    suppressed = '[[suppress]]\nid = "NAT006"\nreason = "the office"\nuntil = 2027-03-31\n'
    path.write_text(f'cluster-cidr = ["172.7.0.0/16", "fd07::/16"]\n{suppressed}')
    assert natfix("settings", str(path)) == (0, f"{path}: cluster 172.7.0.0/16, fd07::/16; suppressed NAT006\n", "")


def test_a_file_of_comments_leaves_natfix_to_find_the_cluster(natfix: Program, tmp_path: Path) -> None:
    path = tmp_path / "natfix.toml"
    path.write_text('#cluster-cidr = ["172.7.0.0/16"]\n')
    assert natfix("settings", str(path)).output == f"{path}: the cluster is found by itself\n"


def test_a_misspelt_key_is_named_with_its_file(natfix: Program, tmp_path: Path) -> None:
    path = tmp_path / "natfix.toml"
    path.write_text('cluster_cidr = ["172.7.0.0/16"]\n')
    code, output, complaint = natfix("settings", str(path))
    assert (code, output) == (2, "")
    assert f"{path}: unknown key cluster_cidr" in complaint


def test_a_file_that_is_not_there_is_no_settings(natfix: Program, tmp_path: Path) -> None:
    code, _, complaint = natfix("settings", str(tmp_path / "none"))
    assert (code, f"there is no file {tmp_path / 'none'}" in complaint) == (2, True)
