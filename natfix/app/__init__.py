"""Use cases, and the ports they need of the machine."""
