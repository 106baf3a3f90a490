"""What is measured of verdicts: the metrics, and the rates they make."""
