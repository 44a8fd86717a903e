"""natfix."""
