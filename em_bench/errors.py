"""The exception tree.

    EmBenchError
    ├── ConfigError         a setting, a file the user wrote, or a plug-in is wrong
    ├── PrerequisiteError   something that must be installed or set up is missing
    └── ResultError         a stored run cannot be read or does not hold what it should

A message says what is wrong, where, and what to do. Only these are printed without a traceback, with exit code 2.
"""


class EmBenchError(Exception):
    """Base of every error that the user can fix."""


class ConfigError(EmBenchError):
    """A setting, a file the user wrote, or a plug-in is wrong."""


class PrerequisiteError(EmBenchError):
    """Something that must be installed or set up is missing."""


class ResultError(EmBenchError):
    """A stored run cannot be read or does not hold what it should."""
