"""The numbers behind figures, as data frames: what a figure draws, and its CSV file holds."""
