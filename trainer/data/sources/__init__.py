"""Readers of data sets: files in, decoded images of the asked classes out (see `images`)."""
