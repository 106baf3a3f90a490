"""A candidate beside its baseline: differences, diagnosis and the gate."""
