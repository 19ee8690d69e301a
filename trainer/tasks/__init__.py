"""Each kind of task on stored outputs; NumPy, so that analysis may import it."""
