"""Base losses and the constraint, as functions of a mini-batch."""
