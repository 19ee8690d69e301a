"""Spaces as people write them, in YAML."""
