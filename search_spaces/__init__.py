"""What can be trained: configurations, and the spaces that list them."""
