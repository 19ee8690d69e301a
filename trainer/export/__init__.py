"""Models that leave the house: a trial's networks in one file, with what their scores mean beside it."""
