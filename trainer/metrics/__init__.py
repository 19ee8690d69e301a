"""Metrics of outputs against targets; NumPy, exact, ties handled."""
