"""Long-tailed data sets: their tasks, their usual recipes and the names of what is tried on them."""
