"""The command line: one small module a command; wiring.py alone builds host objects."""
