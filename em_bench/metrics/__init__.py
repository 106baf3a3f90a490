"""What is measured of verdicts: the metrics, the value of each response, and the rates."""
