"""What came out: reads stored results only."""
