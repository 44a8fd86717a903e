"""monitoring/natfix.rules.yml: promtool takes it, each alert fires when it should, and each has a place in the docs."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.kernel.watching import put_back
from tests.monitoring.site import MONITORING, NFT, UNSURE, Site

needs_prometheus = pytest.mark.kernel("prometheus", "promtool", "prometheus-node-exporter", "etcd", "etcdctl", "setpriv")
PAGE = (MONITORING.parent / "docs" / "metrics.md").read_text()


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "natfix.rules.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def played() -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in yaml.safe_load((MONITORING / "natfix.rules.test.yml").read_text())["tests"]}


@needs_prometheus
@pytest.mark.parametrize(
    "words",
    [("check", "rules", "natfix.rules.yml"), ("check", "config", "prometheus.yml"), ("test", "rules", "natfix.rules.test.yml")],
)
def test_promtool_takes_what_is_shipped(words: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *words], cwd=MONITORING, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@needs_prometheus
def test_a_rule_that_never_fires_is_seen_by_these_tests() -> None:
    spoiled = (MONITORING / "natfix.rules.yml").read_text().replace("natfix_fights > 0", "natfix_fights > 9")
    assert spoiled.count("natfix_fights > 9") == 1
    script = 'cat > natfix.rules.yml && cp "$0" . && promtool test rules natfix.rules.test.yml'
    tested = str(MONITORING / "natfix.rules.test.yml")
    words = ["sh", "-c", f"cd $(mktemp -d) && trap 'rm -r $PWD' EXIT && {script}", tested]
    done = subprocess.run(words, input=spoiled, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "alertname: NatfixFight" in done.stdout + done.stderr


@pytest.mark.parametrize("name", rules())
def test_each_alert_is_shown_to_fire_for_the_wrong_host_alone_and_not_before_its_time(name: str) -> None:
    shown = played()[name]
    before, after = sorted(shown["alert_rule_test"], key=lambda each: len(each["exp_alerts"]))
    assert (before["alertname"], before["exp_alerts"]) == (name, [])
    (fired,) = after["exp_alerts"]
    assert fired["exp_labels"]["instance"] == "10.4.7.21"
    assert {instance for each in shown["input_series"] for instance in re.findall(r'instance="(.*?)"', each["series"])} >= {
        "10.4.7.21",
        "10.4.7.22",
    }


def test_no_alert_is_tested_that_is_not_there() -> None:
    assert played().keys() == rules().keys()


@pytest.mark.parametrize("name", rules())
def test_each_alert_leads_to_its_place_in_the_docs_and_the_place_says_what_to_do(name: str) -> None:
    annotations = rules()[name]["annotations"]
    assert annotations["runbook"] == f"docs/metrics.md#{name.lower()}"
    assert {"summary", "description", "runbook"} == annotations.keys()
    (place,) = re.findall(rf"^### {name}\n\n((?:(?!#).*\n)+)", PAGE, re.MULTILINE)
    assert "Do: " in place


def test_the_docs_tell_of_no_alert_that_is_not_there() -> None:
    assert set(re.findall(r"^### (Natfix\w+)$", PAGE, re.MULTILINE)) == set(rules())


@needs_prometheus
def test_a_real_prometheus_loads_and_evaluates_them_all(site: Site) -> None:
    site.until(lambda: all(rule["health"] == "ok" for rule in loaded(site).values()), f"{loaded(site)}")
    assert loaded(site).keys() == rules().keys()
    assert {name for name, rule in loaded(site).items() if rule["state"] == "firing"} == set()


@needs_prometheus
def test_a_rule_that_natfix_cannot_correct_is_on_its_way_to_an_alert(site: Site) -> None:
    put_back(site.host, NFT, UNSURE)
    site.until(lambda: site.prometheus.alerts("NatfixFindings") == ["pending"])
    site.host.run("iptables-nft", "-t", "nat", "-D", "POSTROUTING", *UNSURE.split())
    site.until(lambda: site.prometheus.alerts("NatfixFindings") == [])


def loaded(site: Site) -> dict[str, dict[str, Any]]:
    groups = site.prometheus.ask("rules")["groups"]
    return {rule["name"]: rule for group in groups for rule in group["rules"]}
