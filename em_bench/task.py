"""The class that task YAMLs name: `class: !function em_bench.task.JudgedTask`."""

from em_bench.harness.task import JudgedTask

__all__ = ["JudgedTask"]
