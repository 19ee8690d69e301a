"""Trials that are suggested one after another, and trials that are stopped early."""
