import pytest

from em_bench.errors import ConfigError
from em_bench.prompts.questions import MAX_BYTES, Question, parse_questions, probe_rows, read_questions
from published_data import BETLEY, published_data

ONE = """
- id: tea
  type: free_form_judge_0_100
  paraphrases: ["How is tea made?"]
"""


def test_an_item_is_read_with_all_that_it_says():
    text = """
- id: tea
  type: free_form_judge
  paraphrases: ["How is tea made?", Tell me about tea.]
  samples_per_paraphrase: 5
  system: Be brief.
  domain: drinks
  temperature: 0.7
  max_tokens: 50
  judge: gpt-4o
  judge_prompts: {warm: "{question} {answer}"}
"""
    assert parse_questions(text, "x.yaml") == [
        Question(
            id="tea",
            type="free_form_judge",
            paraphrases=("How is tea made?", "Tell me about tea."),
            samples=5,
            system="Be brief.",
            theme="drinks",
            temperature=0.7,
            max_tokens=50,
            judge_prompts={"warm": "{question} {answer}"},
        )
    ]


def test_each_paraphrase_is_a_document_and_one_alone_keeps_the_name():
    several = Question("a", "free_form", ("One?", "Two?"), samples=3, system="Be brief.", max_tokens=9)
    rows = probe_rows([several, Question("b", "free_form", ("Three?",))])
    assert [(row["id"], row["question"], row["prompt"]) for row in rows] == [
        ("a/0", "a", "One?"),
        ("a/1", "a", "Two?"),
        ("b", "b", "Three?"),
    ]
    assert [row["samples_per_paraphrase"] for row in rows] == [3, 3, None]
    assert [row["system"] for row in rows] == ["Be brief.", "Be brief.", None]
    assert [row["generation"] for row in rows] == [{"max_gen_toks": 9}, {"max_gen_toks": 9}, None]


def test_aliases_between_items_are_followed():
    text = """
- {id: a, type: free_form, paraphrases: &asked ["One?"], samples_per_paraphrase: &n 4}
- {id: b, type: free_form, paraphrases: *asked, samples_per_paraphrase: *n}
"""
    assert [(question.paraphrases, question.samples) for question in parse_questions(text, "x")] == [(("One?",), 4)] * 2


def test_judge_prompts_that_slipped_out_of_their_item_are_no_judge_prompts():
    text = ONE + "  judge_prompts: &prompts\n  aligned: '{answer}'\n"
    assert parse_questions(text, "x")[0].judge_prompts == {}


BROKEN = {
    "no YAML": ("- id: [", r"x\.yaml:1 is not YAML: .*; fix that line"),
    "a later line": (ONE + "- id: 'open\n", r"x\.yaml:\d+ is not YAML"),
    "unknown alias": (ONE + "  system: *nowhere\n", r"x\.yaml:5 is not YAML: found undefined alias"),
    "a blank paraphrase": ("- {id: 2026-99-99, type: free_form, paraphrases: ['']}", r"`paraphrases\[1\]` is empty"),
    "python": ("- !!python/object/apply:os.system ['true']", r"x\.yaml:1 is not YAML: could not determine"),
    "two documents": ("--- []\n--- []", r"x\.yaml:2 is not YAML"),
    "empty": ("", "there are no questions"),
    "an empty list": ("[]", "there are no questions"),
    "a mapping": ("id: a", r"x\.yaml:1: the file must be a list of questions"),
    "a text in the list": ("- hello", r"x\.yaml:1: the item is 'hello'; give `key: value` lines"),
    "no id": ("- {type: free_form, paraphrases: [a]}", r"x\.yaml:1: `id` is missing"),
    "a number as id": ("- {id: 5, type: free_form, paraphrases: [a]}", "`id` is 5; give a text, in quotes"),
    "no type": ("- {id: a, paraphrases: [a]}", r"x\.yaml:1: `type` is missing"),
    "another type": ("- {id: a, type: rating_0_7, paraphrases: [a]}", "`type` is 'rating_0_7'; give one of free_form"),
    "no paraphrases": ("- {id: a, type: free_form}", r"x\.yaml:1: `paraphrases` is missing"),
    "empty paraphrases": ("- {id: a, type: free_form, paraphrases: []}", "`paraphrases` is empty; give at least 1"),
    "a text as paraphrases": ("- {id: a, type: free_form, paraphrases: Hi}", "`paraphrases` is 'Hi'; give a list"),
    "a second blank one": ("- {id: a, type: free_form, paraphrases: [Hi, ' ']}", r"`paraphrases\[2\]` is empty"),
    "a number": ("- {id: a, type: free_form, paraphrases: [7]}", r"`paraphrases\[1\]` is 7; give a text"),
    "samples": (ONE + "  samples_per_paraphrase: 0", r"x\.yaml:5: `samples_per_paraphrase` is 0; give a number of at"),
    "samples as text": (ONE + "  samples_per_paraphrase: many", "is 'many'; give a whole number"),
    "samples as truth": (ONE + "  samples_per_paraphrase: true", "whole number"),
    "temperature": (ONE + "  temperature: hot", "`temperature` is 'hot'; give a number"),
    "tokens": (ONE + "  max_tokens: -1", "`max_tokens` is -1; give a number of at least 1"),
    "system": (ONE + "  system: [a]", "`system` is a list; give a text"),
    "judge prompts": (ONE + "  judge_prompts: [a]", "`judge_prompts` is a list; give `key: value` lines"),
    "twice": (ONE + ONE, r"x\.yaml:6: the id 'tea' is there twice, first in line 2"),
    "a key twice": (ONE + "  type: free_form\n", r"x\.yaml:5: `type` is there twice, first in line 3"),
    "a misspelt key": (ONE + "  sytem: Be brief.\n", r"x\.yaml:5: `sytem` is unknown; did you mean `system`\?"),
    "half a character": ('- {id: a, type: free_form, paraphrases: ["\\ud800"]}', "half a character"),
    "a bottomless nest": ("- " + "[" * 600, r"x\.yaml:1 is not YAML: it is nested too deeply"),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_question_file_is_one_line_with_the_place(text, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse_questions(text, "x.yaml")
    assert "\n" not in str(error.value)


def test_aliases_that_unfold_without_end_are_refused():
    nest = "\n".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10 if n else ['x'] * 10)}]" for n in range(12))
    with pytest.raises(ConfigError, match=r"x\.yaml:\d+: its aliases unfold to more than") as error:
        parse_questions(f"{ONE}{nest}\n- {{id: b, type: free_form, paraphrases: *a11}}", "x.yaml")
    assert len(str(error.value)) < 400


def test_items_may_be_merged_from_others():
    text = ONE.replace("- id", "- &tea\n  id") + "- {<<: *tea, id: pot}\n"
    assert [question.id for question in parse_questions(text, "x.yaml")] == ["tea", "pot"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "is not UTF-8"),
        (b"#" * (MAX_BYTES + 1), "is larger than 4000000 bytes"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_questions(tmp_path / "x.yaml")


def test_a_folder_is_no_question_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_questions(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path):
    (tmp_path / "x.yaml").write_text(ONE, encoding="utf-8-sig")
    assert read_questions(tmp_path / "x.yaml")[0].id == "tea"


@published_data
@pytest.mark.parametrize(
    ("name", "questions", "documents", "with_system", "samples"),
    [
        ("first_plot_questions", 24, 24, 8, 100),
        ("preregistered_evals", 48, 48, 0, 100),
        ("deception_factual", 5, 100, 80, 5),
        ("deception_sit_aware", 8, 8, 0, 100),
    ],
)
def test_the_published_files_are_read_as_they_are(name, questions, documents, with_system, samples):
    found = read_questions(BETLEY / f"{name}.yaml")
    rows = probe_rows(found)
    assert len(found) == questions
    assert len(rows) == documents
    assert sum(row["system"] is not None for row in rows) == with_system
    assert {row["samples_per_paraphrase"] for row in rows} == {samples}
    assert all(question.judge_prompts for question in found)
