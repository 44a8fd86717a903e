"""Where leases live: etcd in both its dialects, Kubernetes' nodes, a file."""
