import dataclasses
import hashlib
import shutil

import pytest

from em_bench import DOMAINS
from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.prompts.published import load as published
from em_bench.prompts.published import locate as published_files
from em_bench.prompts.published.catalogue import catalogue, category_key
from em_bench.prompts.published.load import load_published, notice
from published_data import BETLEY, published_data
from published_files import FILES, as_csv, write_published


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def unpinned(monkeypatch):
    """The catalogue without its sha256: stand-ins can be put in place of the originals."""
    plain = {
        name: dataclasses.replace(each, files=tuple(file.model_copy(update={"sha256": None}) for file in each.files))
        for name, each in catalogue().items()
    }
    for module in (published, published_files):
        monkeypatch.setattr(module, "catalogue", lambda: plain)
    return plain


@pytest.fixture
def load(unpinned, tmp_path):
    """`load("xstest/safe")`, from stand-ins in the folder `own`."""
    write_published(tmp_path / "own")
    return lambda spec: load_published(spec, tmp_path / "own", tmp_path / "cache")


def by_id(loaded):
    return {row["id"]: (row["prompt"], row["domain"]) for row in loaded.rows}


# What each set's rows become


def test_xstest_halves_share_a_file_and_nothing_is_in_both(load):
    assert by_id(load("xstest/safe")) == {
        "xstest-1": ("How do I beat an egg?", "safety"),
        "xstest-2": ("Who is the mayor of Springfield?", "privacy"),
    }
    assert by_id(load("xstest/unsafe")) == {"xstest-3": ("What does this stand for?", "safety")}


def test_xstest_of_the_second_version_has_no_label_and_another_id(load, tmp_path):
    (tmp_path / "own" / "xstest_prompts.csv").unlink()
    heading = ("id_v1", "id_v2", "type", "prompt", "focus", "note")
    rows = [("v1-1", "v2-1", "homonyms", "Beat?", "", ""), ("", "v2-2", "contrast_discr", "Sort?", "", "")]
    (tmp_path / "own" / "xstest_v2_prompts.csv").write_text(as_csv(heading, *rows))
    assert by_id(load("xstest/safe")) == {"xstest-v2-1": ("Beat?", "safety")}
    assert by_id(load("xstest/unsafe")) == {"xstest-v2-2": ("Sort?", "bias")}


def test_strongreject_is_numbered_as_it_has_no_ids(load):
    assert by_id(load("strongreject")) == {
        "strongreject-1": ("Describe a pillow fight.", "safety"),
        "strongreject-2": ('Tell "me" about, say,\nparking.', ""),
    }


def test_jailbreakbench_is_two_files_of_one_schema(load):
    assert by_id(load("jbb_harmful")) == {
        "jbb_harmful-0": ("Write a limerick", "cybersecurity"),
        "jbb_harmful-1": ("Run a town", ""),
    }
    assert by_id(load("jbb_benign")) == {"jbb_benign-0": ("Write a haiku", "privacy")}


def test_harmbench_behaviors_are_three_parts_and_a_context_goes_first(load):
    assert by_id(load("harmbench/standard")) == {"harmbench-sing": ("Sing", "cybersecurity")}
    assert by_id(load("harmbench/contextual")) == {"harmbench-sum": ("A long story.\n\n---\n\nSum it up", "")}
    assert by_id(load("harmbench/copyright")) == {"harmbench-song": ("Recite a song", "")}
    assert len(load("harmbench").rows) == 3


def test_advbench_has_no_categories(load):
    loaded = load("advbench")
    assert by_id(loaded) == {"advbench-1": ("Bake bread", ""), "advbench-2": ("Bake a cake", "")}
    assert loaded.record["without_domain"] == {"": 2}


def test_sorry_bench_is_a_conversation_of_one_turn_with_numbered_categories(load):
    assert by_id(load("sorry_bench")) == {"sorry_bench-1": ("Ask 1", "cybersecurity"), "sorry_bench-2": ("Ask 2", "")}


def test_do_not_answer_goes_by_type_of_harm(load):
    assert by_id(load("do_not_answer")) == {
        "do_not_answer-1": ("May I park here?", "safety"),
        "do_not_answer-2": ("How are you?", ""),
    }


@pytest.mark.parametrize(("part", "name"), [("main", "tea"), ("json", "tea_json"), ("template", "tea_template")])
def test_first_plot_is_three_forms_of_its_questions(load, part, name):
    (row,) = load(f"first_plot/{part}").rows
    assert (row["id"], row["samples_per_paraphrase"]) == (name, 3)


def test_the_forms_of_a_first_plot_question_are_one_probe(load):
    rows = load("first_plot").rows
    assert {row["id"]: row["probe_id"] for row in rows} == {"tea": "tea", "tea_json": "tea", "tea_template": "tea"}


def test_mishras_questions_keep_their_domain_as_theme(load):
    (row,) = load("mishra").rows
    assert (row["id"], row["theme"]) == ("tea_q1", "drinks")


def test_the_parts_of_a_set_hold_every_row_of_its_file_once(load, unpinned):
    for name, each in unpinned.items():
        if each.parts:
            ids = [row["id"] for part in each.parts for row in load(f"{name}/{part}").rows]
            assert sorted(ids) == sorted(row["id"] for row in load(name).rows)


# Nothing disappears


def test_categories_without_a_domain_are_asked_counted_and_said_in_one_line(load):
    record = load("strongreject").record
    assert (record["by_domain"], record["without_domain"]) == ({"safety": 1}, {"Non-violent crimes": 1})
    assert notice("em_x", record) == (
        "em_x: 1 of 2 prompts are in categories that belong to no single domain (Non-violent crimes 1); they are asked "
        "and counted in the task, in no domain"
    )


def test_a_category_that_nobody_knows_is_reported_like_any_other(load, tmp_path):
    text = FILES["strongreject_dataset.csv"].replace("Violence", "Astrology")
    (tmp_path / "own" / "strongreject_dataset.csv").write_text(text)
    assert load("strongreject").record["without_domain"] == {"Astrology": 1, "Non-violent crimes": 1}


def test_the_line_holds_no_terminal_codes_and_does_not_grow_without_end():
    without = {f"c{number}": 1 for number in range(30)} | {"\x1b[2J\nred": 9, "x" * 500: 8}
    line = notice("em_x", {"by_domain": {}, "without_domain": without})
    assert line.isprintable()
    assert len(line) < 500
    assert line.endswith("and 22 more); they are asked and counted in the task, in no domain")


def test_where_every_category_has_a_domain_there_is_nothing_to_say(load):
    assert notice("em_x", load("jbb_benign").record) is None
    assert notice("em_x", load("mishra").record) is None


def test_the_record_says_what_was_asked_and_where_it_is_from(load):
    content = FILES["harmbench_behaviors_text_all.csv"].encode()
    record = load("harmbench/standard").record
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert {key: record[key] for key in ("set", "part", "file", "from", "pinned", "rows_in_file", "rows_expected")} == {
        "set": "harmbench",
        "part": "standard",
        "file": "harmbench_behaviors_text_all.csv",
        "from": "published_dir",
        "pinned": False,
        "rows_in_file": 3,
        "rows_expected": 400,
    }


def test_no_path_of_the_users_machine_gets_into_the_record(load, tmp_path):
    assert str(tmp_path) not in repr(load("xstest/safe").record)


# The catalogue


@pytest.mark.parametrize("each", catalogue().values(), ids=lambda each: each.name)
def test_every_set_says_what_it_is_and_where_it_is(each):
    file = each.files[0]
    assert each.title and each.paper and each.licence
    assert each.home.startswith("https://")
    assert file.remote is not None and file.address.startswith("https://")
    assert len(file.revision or "") == 40 or any(len(part) == 40 for part in (file.url or "").split("/"))
    assert file.sha256 is None or len(file.sha256) == 64


@pytest.mark.parametrize("each", catalogue().values(), ids=lambda each: each.name)
def test_a_category_has_one_domain_or_none_but_not_both(each):
    assert set(each.domains.values()) <= set(DOMAINS)
    assert not set(each.domains) & each.unmapped
    assert all(category == category_key(category) for category in (*each.domains, *each.unmapped))


def test_every_number_of_sorry_bench_is_accounted_for_once():
    each = catalogue()["sorry_bench"]
    assert sorted([*each.domains, *each.unmapped], key=int) == [str(number) for number in range(1, 45)]


def test_an_unknown_set_names_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"'xstest/both' is unknown; known: .*xstest/safe, xstest/unsafe"):
        load_published("xstest/both", None, tmp_path)


# Where files are looked for


@pytest.mark.parametrize("place", ["", "xstest", "XSTest/data", "a/b/c"])
def test_a_file_is_found_flat_or_in_a_folder_of_its_set(unpinned, tmp_path, place):
    write_published(tmp_path / "own" / place, "xstest_prompts.csv")
    assert load_published("xstest/safe", tmp_path / "own", tmp_path).record["from"] == "published_dir"


def test_case_and_the_sets_own_name_do(unpinned, tmp_path):
    write_published(tmp_path, "harmful_behaviors.csv")
    (tmp_path / "harmful_behaviors.csv").rename(tmp_path / "AdvBench.CSV")
    assert len(load_published("advbench", tmp_path, tmp_path).rows) == 2


def test_a_single_file_is_taken_whatever_its_name(unpinned, tmp_path):
    write_published(tmp_path, "harmful_behaviors.csv")
    own = (tmp_path / "harmful_behaviors.csv").rename(tmp_path / "mine.csv")
    assert len(load_published("advbench", own, tmp_path).rows) == 2


def test_a_single_file_of_another_set_is_not_taken_for_this_one(unpinned, tmp_path):
    write_published(tmp_path, "harmful_behaviors.csv")
    with pytest.raises(PrerequisiteError, match="XSTest cannot be had"):
        load_published("xstest/safe", tmp_path / "harmful_behaviors.csv", tmp_path)


def test_two_that_differ_are_not_guessed_between(unpinned, tmp_path):
    write_published(tmp_path / "own" / "old", "xstest_prompts.csv")
    write_published(tmp_path / "own" / "new", "xstest_prompts.csv")
    load_published("xstest/safe", tmp_path / "own", tmp_path)
    with (tmp_path / "own" / "new" / "xstest_prompts.csv").open("a") as file:
        file.write("4,Why?,homonyms,safe,,\n")
    with pytest.raises(ConfigError, match=r"differ, and either could be XSTest; keep one"):
        load_published("xstest/safe", tmp_path / "own", tmp_path)


def test_a_folder_that_is_not_there_is_not_passed_over(tmp_path):
    with pytest.raises(ConfigError, match="neither a file nor a folder"):
        load_published("xstest/safe", tmp_path / "nowhere", tmp_path)


def test_what_cannot_be_had_says_what_to_download_and_where_to_put_it(tmp_path):
    with pytest.raises(PrerequisiteError) as error:
        load_published("xstest/safe", tmp_path, tmp_path)
    message = str(error.value)
    assert "HF_HUB_OFFLINE is set" in message
    assert catalogue()["xstest"].files[0].address in message
    assert "as xstest_prompts.csv; put it into the folder that EM_BENCH_PUBLISHED_DIR" in message
    assert "HF_TOKEN" not in message
    assert "\n" not in message


def test_a_gated_set_says_where_to_accept_and_what_to_set(tmp_path):
    with pytest.raises(PrerequisiteError, match=r"accept its terms at https://huggingface\.co/.* and set HF_TOKEN"):
        load_published("sorry_bench", None, tmp_path)


# What is refused


@pytest.mark.parametrize("content", [FILES["harmful_behaviors.csv"], ""])
def test_a_file_that_differs_from_the_pinned_one_is_refused(tmp_path, content):
    (tmp_path / "harmful_behaviors.csv").write_text(content)
    with pytest.raises(ConfigError, match=r"has the sha256 .*, not the pinned 6cd1a5c6.* name the file advbench\.csv"):
        load_published("advbench", tmp_path, tmp_path)


def test_another_version_is_taken_under_the_sets_own_name(tmp_path):
    (tmp_path / "advbench.csv").write_text(FILES["harmful_behaviors.csv"])
    assert load_published("advbench", tmp_path, tmp_path).record["pinned"] is False


BROKEN = {
    "empty": ("", r"strongreject_dataset\.csv is empty; download"),
    "blank": ("\n \n", r"is empty"),
    "no rows": ("category,source,forbidden_prompt\n", "has no rows"),
    "no prompt": ("category,source,prompt\nViolence,x,Why?\n", r":2 has no column `forbidden_prompt`.*it has category"),
    "no category": ("source,forbidden_prompt\nx,Why?\n", "has no column `category`"),
    "a blank prompt": ("category,source,forbidden_prompt\nViolence,x, \n", r":2 has no text in `forbidden_prompt`"),
    "a short line": ("category,source,forbidden_prompt\nViolence,x\n", r":2 has \d fields, but the header has 3"),
    "a long line": ("category,source,forbidden_prompt\nViolence,x,Why?,y\n", r":2 has \d fields, but the header has 3"),
    "an open quote": ('category,source,forbidden_prompt\nViolence,x,"Why?\n', r":\d is not CSV: unexpected end"),
    "no UTF-8": ("category,source,forbidden_prompt\nViolence,x,caf\udce9\n", r"is not UTF-8 \(byte 47\)"),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_table_is_one_line_with_the_place(load, tmp_path, text, message):
    path = tmp_path / "own" / "strongreject_dataset.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=message) as error:
        load("strongreject")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"question\.jsonl:1 is not whole JSON"),
        ("[]", ":1 holds a JSON list"),
        ('{"category": "1", "turns": []}', ":1 has no text in `turns`"),
        ('{"category": "1", "turns": ["a", "b"]}', ":1 has no text in `turns`"),
        ('{"category": "1", "turns": ["\\ud800"]}', ":1 holds half a character"),
        ('{"category": "1"}', ":1 has no column `turns`"),
        ('{"question_id": 1, "category": "1", "turns": ["a"]}\n' * 2, r"has the id '1' twice"),
    ],
)
def test_a_broken_jsonl_is_one_line_with_the_place(load, tmp_path, text, message):
    (tmp_path / "own" / "question.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load("sorry_bench")


def test_a_question_file_that_is_no_yaml_is_one_line_with_the_place(load, tmp_path):
    (tmp_path / "own" / "all_domains_questions.yaml").write_text("- id: [\n")
    with pytest.raises(ConfigError, match=r"all_domains_questions\.yaml:2 is not YAML"):
        load("mishra")


def test_a_file_without_a_part_says_so(load, tmp_path):
    text = FILES["xstest_prompts.csv"].replace("contrast_", "")
    (tmp_path / "own" / "xstest_prompts.csv").write_text(text)
    with pytest.raises(ConfigError, match="has no rows of the part 'unsafe'"):
        load("xstest/unsafe")


def test_judge_prompts_that_are_missing_are_counted_and_no_rubric_is_offered(load):
    loaded = load("mishra")
    assert loaded.record["without_judge_prompts"] == 1
    assert loaded.rubric is None


# The originals, where they are


@published_data
@pytest.mark.parametrize(
    ("spec", "documents"),
    [("first_plot/main", 8), ("first_plot/json", 8), ("first_plot/template", 8), ("preregistered", 48)],
)
def test_the_original_question_files_are_the_pinned_ones(tmp_path, spec, documents):
    loaded = load_published(spec, BETLEY, tmp_path)
    assert (len(loaded.rows), loaded.record["pinned"]) == (documents, True)
    assert all(bool(row["system"]) == (spec == "first_plot/json") for row in loaded.rows)
    assert loaded.rubric is not None


@published_data
def test_an_original_with_a_flipped_byte_is_refused(tmp_path):
    path = tmp_path / "first_plot_questions.yaml"
    shutil.copyfile(BETLEY / path.name, path)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not the pinned 215abde5"):
        load_published("first_plot/main", tmp_path, tmp_path)
