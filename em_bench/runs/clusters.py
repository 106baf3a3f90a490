"""Which responses are clusters: those to one probe in all its forms, or to one prompt."""

from em_bench.metrics.registry import Kind
from em_bench.runs.model import JudgedSample, TaskRun


def clusters_of(task: TaskRun) -> dict[str, str]:
    """Document to cluster: the forms of a probe are one, and prompts are clusters of their own."""
    return {sample.document: cluster_of(task, sample) for sample in task.samples}


def cluster_of(task: TaskRun, sample: JudgedSample) -> str:
    """The probe, whichever task asks a form of it; a prompt's name holds its task's, as ids repeat between tasks."""
    if task.kind is Kind.PROBE:
        return str(sample.doc.get("probe_id") or sample.document)
    return f"{task.name}/{sample.document}"
