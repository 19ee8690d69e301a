"""Images with several labels: the third document's prevalences and recipe."""
