"""Whether an adapter is at work, on engines that a test scripts."""

from contextlib import contextmanager

import pytest

from canned import CannedLM
from em_bench.harness.adapter_check import PROMPTS, adapter_differs


class Vllm(CannedLM):
    """As lm-eval's class for vLLM: each request names the adapter, or none."""

    def __init__(self, works=True):
        super().__init__(lambda *_: "adapted" if works and self.lora_request else "base")
        self.lora_request = "adapter"


class Hf(CannedLM):
    """As lm-eval's class for transformers: the model can leave the adapter out for a while."""

    def __init__(self):
        super().__init__(lambda *_: "adapted" if self.on else "base")
        self.on, self.model = True, self

    @contextmanager
    def disable_adapter(self):
        self.on = False
        yield
        self.on = True


@pytest.mark.parametrize(("model", "differ"), [(Vllm(), 3), (Vllm(works=False), 0), (Hf(), 3)])
def test_responses_with_and_without_the_adapter_are_compared(model, differ):
    assert adapter_differs(model, ["a", "b", "c"], chat_template=True) == (differ, 3)


def test_the_adapter_is_back_afterwards():
    model = Vllm()
    adapter_differs(model, ["a"], chat_template=False)
    assert model.lora_request == "adapter"


def test_a_few_prompts_are_enough():
    assert adapter_differs(Vllm(), ["a"] * 100, chat_template=False) == (PROMPTS, PROMPTS)


def test_an_engine_that_cannot_leave_the_adapter_out_is_not_asked():
    model = CannedLM()
    assert adapter_differs(model, ["a"], chat_template=False) is None
    assert model.contexts == []
