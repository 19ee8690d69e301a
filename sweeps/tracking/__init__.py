"""MLflow, the view of what the store holds."""
