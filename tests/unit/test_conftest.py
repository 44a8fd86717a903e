"""The rules of tests/conftest.py, held to by small test runs inside a test run."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parent.parent / "conftest.py"

SKIPS = {
    "test_in_a_test": "import pytest\ndef test_it(): pytest.skip('no root')",
    "test_by_a_mark": "import pytest\n@pytest.mark.skip(reason='no root')\ndef test_it(): pass",
    "test_in_a_fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('no root')\ndef test_it(f): 0",
    "test_of_a_whole_module": "import pytest\npytest.skip('no root', allow_module_level=True)",
    "test_of_an_import": "import pytest\npytest.importorskip('no_root', reason='no root')",
}


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n    kernel: k\n    machine: m\n")
    monkeypatch.setenv("CI", "true")
    return pytester


def test_in_ci_a_skip_is_a_failure_that_keeps_its_reason(run: pytest.Pytester) -> None:
    run.makepyfile(**SKIPS)
    result = run.runpytest_subprocess("--continue-on-collection-errors")
    result.assert_outcomes(failed=1, errors=4, skipped=0)
    refusals = [line for line in result.outlines if line.startswith("skipped, and in CI nothing may be: ")]
    assert len([line for line in refusals if "no root" in line]) == len(SKIPS)


def test_elsewhere_a_skip_stays_a_skip(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI")
    run.makepyfile(**SKIPS)
    run.runpytest_subprocess().assert_outcomes(skipped=len(SKIPS))


def test_in_ci_an_expected_failure_is_none(run: pytest.Pytester) -> None:
    run.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_it(): assert False")
    run.runpytest_subprocess().assert_outcomes(xfailed=1)


def test_a_kernel_test_without_root_names_root(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI")
    run.makepyfile(
        "import os, pytest\nos.geteuid = lambda: 1000\n@pytest.mark.kernel\ndef test_it(): raise AssertionError('ran')"
    )
    result = run.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*kernel test needs root*"])


def test_a_marked_test_without_its_tool_names_the_tool(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI")
    run.makepyfile(
        "import os, pytest, shutil\n"
        "os.geteuid = lambda: 0\n"
        "shutil.which = lambda tool: None if tool in {'nft', 'no-such-tool'} else tool\n"
        "@pytest.mark.kernel\ndef test_kernel(): raise AssertionError('ran')\n"
        "@pytest.mark.machine('no-such-tool')\ndef test_machine(): raise AssertionError('ran')\n"
    )
    result = run.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*kernel test needs nft;*", "*machine test needs nft, no-such-tool;*"])


def test_a_kernel_test_runs_where_all_it_needs_is_there(run: pytest.Pytester) -> None:
    run.makepyfile(
        "import os, pytest, shutil, subprocess\n"
        "os.geteuid = lambda: 0\n"
        "shutil.which = lambda tool: tool\n"
        "subprocess.run = lambda *_, **__: subprocess.CompletedProcess([], 0)\n"
        "@pytest.mark.kernel\ndef test_it(): pass"
    )
    run.runpytest_subprocess().assert_outcomes(passed=1)
