"""The named spaces, one file each."""
