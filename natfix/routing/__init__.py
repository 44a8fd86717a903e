"""The routing core: flannel's network, leases and backends as a library that needs no terminal, no iptables and no machine."""

from __future__ import annotations
