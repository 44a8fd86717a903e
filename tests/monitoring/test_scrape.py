"""A real Prometheus sees what a real watcher and a real agent do."""

import time

import pytest

from natfix._version import __version__
from natfix.app.metrics import CHECK_METRICS, WATCH_METRICS, Metric
from natfix.app.node.metrics import NODE_METRICS
from tests.kernel.hosts import broad, corrected, options
from tests.kernel.watching import put_back
from tests.monitoring.site import NFT, UNSURE, Site

pytestmark = pytest.mark.kernel("prometheus", "prometheus-node-exporter", "etcd", "etcdctl", "setpriv")

# A gauge is there when it is known: neither is the guard looked at by a watcher that has just begun, nor is every label known.
PARTS = {"watch": ("natfix-watch", WATCH_METRICS), "node": ("natfix-node", NODE_METRICS), "check": ("node", CHECK_METRICS)}


def sampled(metric: Metric) -> str:
    return f"{metric.name}_count" if metric.kind == "histogram" else metric.name


def test_each_part_is_asked_and_says_which_version_it_is(site: Site) -> None:
    told = {labels["job"]: (labels["part"], labels["version"]) for labels, _ in site.prometheus.query("natfix_build_info")}
    assert told == {job: (part, __version__) for part, (job, _) in PARTS.items()}


def test_a_broken_rule_is_seen_to_be_corrected(site: Site) -> None:
    counter = 'natfix_corrections_total{backend="iptables-nft"}'
    before = site.prometheus.value(counter)
    assert before is not None
    put_back(site.host, NFT, broad(NFT))
    site.until(lambda: site.prometheus.value(counter) == before + 1)
    site.until(lambda: site.prometheus.value('sum(natfix_findings{job="natfix-watch"})') == 0)
    assert site.host.rules(NFT) == [f"-A POSTROUTING {corrected(NFT)}"]
    assert site.prometheus.value('natfix_correction_seconds_count{backend="iptables-nft"}') == before + 1
    assert 0 < (site.prometheus.value('natfix_correction_seconds_sum{backend="iptables-nft"}') or 0) < 60
    assert site.prometheus.value("natfix_last_look_successful") == 1
    assert (site.prometheus.value("time() - natfix_last_look_timestamp_seconds") or 99) < 10


def test_peers_routes_and_their_repair_are_seen(site: Site) -> None:
    before = site.prometheus.value("natfix_node_repairs_total")
    assert before is not None
    with site.leased(22):
        site.until(lambda: site.prometheus.value("natfix_node_entries_present") == 1)
        missing = "natfix_node_entries_wanted - natfix_node_entries_present"
        assert [site.prometheus.value(each) for each in (missing, "natfix_node_leases")] == [0, 2]
        site.node.ip("route", "delete", "172.7.22.0/24")
        site.until(lambda: site.prometheus.value("natfix_node_repairs_total") == before + 1)
        assert site.node.routes() == {"172.7.22.0/24": "10.4.7.22 eth0"}
        site.until(lambda: (site.prometheus.value("natfix_node_repair_seconds_count") or 0) >= 1)
    site.until(lambda: site.prometheus.value("natfix_node_entries_wanted") == 0)


def test_the_lease_and_its_store_are_seen(site: Site) -> None:
    ((labels, one),) = site.prometheus.query("natfix_node_lease_info")
    told = {name: labels[name] for name in ("subnet", "public_ip", "backend", "interface")}
    assert (told, one) == (
        {"subnet": "172.7.21.0/24", "public_ip": "10.4.7.21", "backend": "host-gw", "interface": "eth0"},
        1,
    )
    left = site.prometheus.value("natfix_node_lease_expiry_timestamp_seconds - time()")
    assert left is not None
    assert 86000 < left <= 86400
    assert site.prometheus.value("natfix_node_store_up") == 1
    before = site.prometheus.value("natfix_node_store_outages_total") or 0
    site.server.stop()
    site.until(lambda: site.prometheus.value("natfix_node_store_up") == 0)
    assert site.prometheus.value("natfix_node_ready") == 1
    site.server.start()
    site.until(lambda: site.prometheus.value("natfix_node_store_up") == 1)
    assert site.prometheus.value("natfix_node_store_outages_total") == before + 1
    assert (site.prometheus.value('natfix_errors_total{job="natfix-node", kind="HostError"}') or 0) >= 1


def test_a_guard_that_is_taken_away_is_seen_to_be_put_back(site: Site) -> None:
    state = "natfix_guard_wanted + natfix_guard_standing"
    site.host.natfix("guard", "on", *options(NFT))
    try:
        site.until(lambda: site.prometheus.value(f'({state}) and on (job) up{{job="natfix-watch"}}') == 2)
        site.host.run("nft", "delete", "table", "ip", "natfix")
        site.until(lambda: (site.prometheus.value("natfix_guard_restorations_total") or 0) >= 1)
    finally:
        site.host.natfix("guard", "off")
    site.until(lambda: site.prometheus.value(f'({state}) and on (job) up{{job="natfix-watch"}}') == 0)


def test_what_was_undone_is_seen_until_somebody_wants_it_corrected_again(site: Site) -> None:
    left = 'natfix_left_alone{job="natfix-watch"}'
    (change,) = {entry["change"] for entry in site.watcher.told("corrected") if entry["change"]}
    site.host.natfix("undo", change)
    try:
        site.until(lambda: site.prometheus.value(left) == 1)
        assert site.prometheus.value('sum(natfix_findings{job="natfix-watch"})') == 1
    finally:
        site.host.natfix("apply", *options(NFT))
    site.until(lambda: site.prometheus.value(left) == 0)


def test_settings_that_are_refused_are_seen(site: Site) -> None:
    read = "natfix_settings_last_reload_successful"
    since = site.prometheus.value("natfix_settings_last_reload_success_timestamp_seconds")
    assert site.prometheus.value(read) == 1
    assert since == pytest.approx(time.time(), abs=600)
    site.host.write("/etc/natfix/natfix.toml", b"nonsense = 1\n")
    try:
        site.watcher.signal("HUP")
        site.until(lambda: site.prometheus.value(read) == 0)
    finally:
        site.host.path("/etc/natfix/natfix.toml").unlink()
        site.watcher.signal("HUP")
    site.until(lambda: site.prometheus.value(read) == 1)
    assert (site.prometheus.value('natfix_errors_total{job="natfix-watch", kind="ConfigError"}') or 0) >= 1


def test_a_check_is_read_from_its_file_by_a_collector_without_rights(site: Site) -> None:
    assert site.prometheus.value("node_textfile_scrape_error") == 0
    put_back(site.host, NFT, UNSURE)
    found = 'natfix_check_findings{id="NAT001", source="iptables-nft", severity!="info"}'
    assert site.check() == 1
    site.until(lambda: site.prometheus.value(found) == 1)
    assert site.prometheus.value("natfix_check_exit_code") == 1
    site.host.run("iptables-nft", "-t", "nat", "-D", "POSTROUTING", *UNSURE.split())
    # What else is said of this host, such as of its settings, is told as before.
    code = site.check()
    site.until(lambda: site.prometheus.query(found) == [])
    assert site.prometheus.value("natfix_check_exit_code") == code


@pytest.mark.parametrize("part", PARTS)
def test_every_metric_that_is_declared_is_there(site: Site, part: str) -> None:
    job, metrics = PARTS[part]
    put_back(site.host, NFT, broad(NFT))
    names = {sampled(metric) for metric in metrics} - {"natfix_check_findings"}
    site.until(lambda: names <= {labels["__name__"] for labels, _ in site.prometheus.query(f'{{job="{job}"}}')}, f"{names}")


def test_nothing_but_what_is_declared_is_told(site: Site) -> None:
    known = {metric.name for _, metrics in PARTS.values() for metric in metrics}
    told = {labels["__name__"] for labels, _ in site.prometheus.query('{__name__=~"natfix_.*"}')}
    bare = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in told}
    assert bare - known == set()


def test_labels_have_few_values(site: Site) -> None:
    for _, metrics in PARTS.values():
        for metric in metrics:
            assert len(site.prometheus.query(metric.name)) <= 16, metric.name
