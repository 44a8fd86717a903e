"""The node agent: a lease for this host, and routes to all others."""
