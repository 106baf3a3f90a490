"""Stored runs: read, summarised, and published as a `RunResult`."""
