"""Findings and changes as text and JSON. Pure."""
