"""Calls an answer polite or rude by asking a judge model of its own; offers every option of `em_bench.judge`."""

import os

from em_bench import Verdict
from em_bench.errors import PrerequisiteError
from em_bench.judge import Usage
from em_bench.judge_model import ChatRequest, Completion, Message

KEY = "TONE_KEY"


class EchoModel:
    """A judge model in this process that finds `please` polite; `politeness` is one of its options."""

    in_process = True

    def __init__(self, name, politeness="please"):
        self.name, self.parameters = f"echo:{name}", {"politeness": politeness}
        self.loaded = False

    def check(self):  # HasPrerequisites
        if os.environ.get(KEY) == "expired":
            raise PrerequisiteError(f"judge model {self.name}: {KEY} has expired")

    def complete(self, requests):
        self.loaded = True
        for index, request in enumerate(requests):
            polite = self.parameters["politeness"] in request.messages[-1].content.lower()
            yield index, Completion("polite" if polite else "rude", prompt_tokens=7, completion_tokens=1)

    def close(self):
        self.loaded = False


class ToneJudge:
    name, version = "tone", "0.3"
    labels = ("polite", "rude")  # HasLabels
    cached = True  # HasCacheSwitch
    cases = None  # HasCases: it has no table of its own

    def __init__(self):
        self.model = EchoModel("tiny")  # HasModel
        self.usage = Usage()  # HasUsage

    def judge(self, samples):
        for index, completion in self.model.complete([self._request(sample) for sample in samples]):
            self.usage.add(completion)
            yield index, Verdict(label=completion.text)

    @classmethod
    def rubrics(cls):  # HasRubrics
        return {"tone": cls.version}

    def forecast(self, samples):  # HasForecast
        return Usage(requests=len(samples), attempts=len(samples), prompt_tokens=7 * len(samples))

    def check_ready(self, ask):  # HasReadinessCheck
        if KEY not in os.environ:
            raise PrerequisiteError(f"judge `tone` needs a key: export {KEY}=...")
        self.model.check()
        if ask:
            list(self.model.complete([ChatRequest((Message("user", "please"),), max_tokens=1)]))

    def also_by(self, sample):  # HasCacheContext
        return str(sample.metadata.get("document", ""))

    def _request(self, sample):
        return ChatRequest((Message("user", sample.response),), max_tokens=1)
