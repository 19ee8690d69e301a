"""A sweep's run: driver, workers, and what passes between them."""
