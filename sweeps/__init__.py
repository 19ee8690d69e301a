"""Which trials run, where and when, and who is told."""
