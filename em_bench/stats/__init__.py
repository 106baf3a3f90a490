"""Intervals, paired differences and agreement: the statistics, without any knowledge of runs."""
