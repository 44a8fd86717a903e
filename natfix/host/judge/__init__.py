"""The kernel as judge: rules loaded and packets sent in a network namespace that exists for that moment."""
