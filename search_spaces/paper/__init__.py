"""The paper's names, data sets and published rows."""
