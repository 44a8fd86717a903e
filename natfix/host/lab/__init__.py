"""The lab for real: two container hosts in network namespaces, with Docker's rule or a real dockerd."""
