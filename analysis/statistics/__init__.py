"""What the numbers of a table are worth: intervals, paired tests, ties, from stored outputs alone."""
