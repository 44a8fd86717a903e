"""The numbers of the node agent; see natfix/app/metrics.py.

*Entries* are what the agent wants of the kernel: with host-gw one route a peer; with vxlan also neighbours, forwarding entries
and the tunnel's device.
"""

from __future__ import annotations

from typing import Final

from natfix.app.metrics import BUILD, ERRORS, Metric

READY: Final = Metric("natfix_node_ready", "gauge", "1 when the host has a lease and its routes are in the kernel.")
LAST_TURN: Final = Metric("natfix_node_last_turn_timestamp_seconds", "gauge", "When the agent got on with its work last.")
LAST_LOOK: Final = Metric("natfix_node_last_look_timestamp_seconds", "gauge", "When all entries were compared last.")
LEASE: Final = Metric(
    "natfix_node_lease_info",
    "gauge",
    "Always 1: this host's lease, and how peers reach it.",
    ("subnet", "public_ip", "backend", "interface"),
)
LEASE_EXPIRY: Final = Metric(
    "natfix_node_lease_expiry_timestamp_seconds",
    "gauge",
    "When the lease ends unless it is renewed; not there if it never ends.",
)
RENEWALS: Final = Metric(
    "natfix_node_lease_renewals_total",
    "counter",
    "Times when the lease was renewed as it was, adopted after somebody else wrote it, or retaken after it was gone.",
    ("how",),
    (("adopted",), ("renewed",), ("retaken",)),
)
RENEWED: Final = Metric(
    "natfix_node_lease_last_renewal_successful", "gauge", "1 unless the lease could not be renewed the last time."
)
RIVALS: Final = Metric("natfix_node_rivals_total", "counter", "Times when somebody else wrote this host's lease.")
LEASES: Final = Metric("natfix_node_leases", "gauge", "Leases and reservations known, this host's included.")
PEERS: Final = Metric("natfix_node_peers", "gauge", "Other hosts whose subnets are known.")
DOUBTFUL: Final = Metric(
    "natfix_node_doubtful_peers", "gauge", "Peers whose lease is gone, kept until the grace period is over."
)
UNREACHABLE: Final = Metric(
    "natfix_node_unreachable_peers", "gauge", "Peers that no entry can lead to, such as one on another link."
)
WANTED: Final = Metric("natfix_node_entries_wanted", "gauge", "Entries that the leases want in the kernel.")
PRESENT: Final = Metric("natfix_node_entries_present", "gauge", "Entries of these that the kernel has taken.")
REFUSED: Final = Metric("natfix_node_refused_entries", "gauge", "Entries that the kernel refuses; they are tried again.")
OBSTRUCTED: Final = Metric("natfix_node_obstructed_routes", "gauge", "Routes in whose place somebody else's stand.")
REPAIRS: Final = Metric("natfix_node_repairs_total", "counter", "Entries put right after somebody else had changed them.")
REPAIR_SECONDS: Final = Metric(
    "natfix_node_repair_seconds", "histogram", "From taking note of changed entries to their repair in the kernel."
)
FIGHTING: Final = Metric("natfix_node_fighting", "gauge", "1 while somebody keeps changing entries.")
STORE_UP: Final = Metric("natfix_node_store_up", "gauge", "1 while the lease store can be read.")
STORE_CONTACT: Final = Metric(
    "natfix_node_store_last_contact_timestamp_seconds",
    "gauge",
    "When the lease store told something last, if only that nothing is new.",
)
STORE_OUTAGES: Final = Metric("natfix_node_store_outages_total", "counter", "Times when the lease store was gone.")
RULES_RIGHT: Final = Metric(
    "natfix_node_rules_successful", "gauge", "1 if iptables rules, and Docker, could be made to fit the subnet the last time."
)
RULE_REPAIRS: Final = Metric(
    "natfix_node_rule_repairs_total", "counter", "Times when iptables rules were put right, the first time included."
)
CONFIG_CHANGED: Final = Metric(
    "natfix_node_network_config_changed", "gauge", "1 when the network is configured otherwise than when the agent was started."
)

NODE_METRICS: Final = (
    *(BUILD, ERRORS, READY, LAST_TURN, LAST_LOOK, LEASE, LEASE_EXPIRY, RENEWALS, RENEWED, RIVALS, LEASES, PEERS, DOUBTFUL),
    *(UNREACHABLE, WANTED, PRESENT, REFUSED, OBSTRUCTED, REPAIRS, REPAIR_SECONDS, FIGHTING),
    *(STORE_UP, STORE_CONTACT, STORE_OUTAGES, RULES_RIGHT, RULE_REPAIRS, CONFIG_CHANGED),
)
