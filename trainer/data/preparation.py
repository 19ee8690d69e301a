"""The number of the way in which files become splits; a result names it, so that a change is told as one."""

# Raise it when the same files and configuration start to give other splits.
PREPARATION = 2
