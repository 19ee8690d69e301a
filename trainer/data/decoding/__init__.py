"""Encoded images become rows of a mapped file: in parallel, in chunks, once per node."""
