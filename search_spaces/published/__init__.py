"""Figures that others published, and the trials that they stand beside."""
