"""What trials take of a machine, and how many fit side by side."""
