"""The largest numbers that are taken for meant: beyond them stands a slip, and memory or time without end."""

# NumPy's and Optuna's own.
MOST_SEED = 2**32 - 1
MOST_REPLICATES = 10_000
MOST_EPOCHS = 1_000_000
MOST_BATCH = 1_000_000
# Of a search's trials, as of a grid's combinations.
MOST_COMBINATIONS = 1_000_000
# Of steps, penalties, growths and margins: the networks' arithmetic, in float32, knows little beyond.
LARGEST = 1e30
