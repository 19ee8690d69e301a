"""What depends on the machine: cores, precision, captured and compiled code."""
