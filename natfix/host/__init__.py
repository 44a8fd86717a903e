"""The machine: where natfix reads and changes a real host."""
