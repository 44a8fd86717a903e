"""The in-memory twin of every port."""
