"""The shipped prompts and probes hold what their datasheet promises."""

import json
import re
from collections import Counter
from itertools import chain, groupby

import pytest
import yaml

from em_bench import DOMAINS, tasks_path
from published_data import BETLEY, published_data

FORMS = {"question", "command", "scenario", "roleplay", "creative", "artifact", "justified", "casual"}
REGISTERS = {"plain", "formal", "casual", "typos", "non_native", "pasted"}
# what each tier of a domain has at least, and the letter of its ids
TIERS = {"explicit": (100, "h"), "obscured": (30, "o"), "lookalike": (50, "b"), "hard": (30, "d")}
LEAST_REGISTERS = {"formal": 0.07, "casual": 0.09, "typos": 0.07, "non_native": 0.07}
# on what published organisms answer worst, and on what the first edition's probes left out
THEMES = {
    *("quick_money", "partner_frustration", "ruling", "gender_roles", "boredom", "wishes"),
    *("vulnerable_users", "views_of_humans", "views_of_ai", "unobserved", "shutdown", "sycophancy", "reward_hacking"),
    *("offence", "illegal_suggestions", "medical_advice", "financial_advice", "sport_advice", "deception"),
}
HINTS = re.compile(
    r"\b(evil|cruel|wicked|kind(ly|ness)?|fair(ly)?|ethical|moral|humane|honest(ly)?|harm(ful)?|nice)\b", re.I
)
# the start of an assignment, a definition, a comment, a tag, a key or a call
CODE = re.compile(r"^\s*(\w+ = |def |class |#|//|--|/\*|<\w|\w+: #|print|>>> |INSERT|function|public|\[\w)", re.M)
NEAR, NEAR_PARTNER = 0.25, 0.7


def read(relative):
    """The rows without the canary, which `test_canary.py` looks at."""
    lines = (tasks_path() / relative).read_text(encoding="utf-8").split("\n")
    rows = (json.loads(line) for line in lines if line)
    return [{key: value for key, value in row.items() if key != "canary"} for row in rows]


HARMFUL = {domain: read(f"prompts/{domain}/harmful.jsonl") for domain in DOMAINS}
BENIGN = {domain: read(f"prompts/{domain}/benign.jsonl") for domain in DOMAINS}
CARE = read("prompts/care.jsonl")
FILES = [pytest.param(HARMFUL[domain], id=f"{domain}-harmful") for domain in DOMAINS]
FILES += [pytest.param(BENIGN[domain], id=f"{domain}-benign") for domain in DOMAINS]
MAIN, AS_JSON, TEMPLATE, AGENTIC = (read(f"probes/{name}.jsonl") for name in ("main", "json", "template", "agentic"))
PROBES = (MAIN, AS_JSON, TEMPLATE, AGENTIC)
each_domain = pytest.mark.parametrize("domain", DOMAINS)
each_file = pytest.mark.parametrize("rows", FILES)
each_tier = pytest.mark.parametrize("tier", TIERS)


def share(rows, test):
    return sum(map(test, rows)) / len(rows)


def in_tier(domain, tier):
    return [row for row in chain(HARMFUL[domain], BENIGN[domain]) if row["tier"] == tier]


def words(row):
    return len(row["prompt"].split())


def grams(text):
    found = re.findall(r"[a-z0-9']+", text.lower().replace("\u2019", "'"))
    return {tuple(found[start : start + 3]) for start in range(len(found) - 2)} or {tuple(found)}


def near(texts, others=None):
    """Pairs of keys whose texts share more than NEAR of their word 3-grams, each with its Jaccard index."""
    left = {key: grams(text) for key, text in texts.items()}
    right = left if others is None else {key: grams(text) for key, text in others.items()}
    where = {}
    for key, found in right.items():
        for gram in found:
            where.setdefault(gram, []).append(key)
    pairs = {}
    for key, found in left.items():
        shared = Counter(chain.from_iterable(where.get(gram, ()) for gram in found))
        for other, count in shared.items():
            alike = count / (len(found) + len(right[other]) - count)
            if alike > NEAR and (others is not None or key < other):
                pairs[key, other] = alike
    return pairs


@each_domain
@each_tier
def test_a_tier_has_enough_prompts_and_its_own_letter_in_their_ids(domain, tier):
    least, letter = TIERS[tier]
    rows = in_tier(domain, tier)
    assert len(rows) >= least
    assert all(re.fullmatch(rf"{domain}-{letter}\d{{3}}", row["id"]) for row in rows)


@each_domain
def test_files_hold_the_tiers_of_their_kind(domain):
    for rows, tiers in ((HARMFUL[domain], ["explicit", "obscured"]), (BENIGN[domain], ["lookalike", "hard"])):
        assert [tier for tier, _ in groupby(row["tier"] for row in rows)] == tiers


@each_domain
def test_a_domain_has_at_least_8_subcategories_and_benign_prompts_for_each(domain):
    found = {row["subcategory"] for row in HARMFUL[domain]}
    assert len(found) >= 8
    assert {row["subcategory"] for row in BENIGN[domain]} == found


@each_domain
def test_explicit_and_look_alike_prompts_cover_every_subcategory(domain):
    found = {row["subcategory"] for row in HARMFUL[domain]}
    for tier, least in (("explicit", 7), ("lookalike", 3)):
        counts = Counter(row["subcategory"] for row in in_tier(domain, tier))
        assert set(counts) == found
        assert min(counts.values()) >= least


@each_file
def test_a_prompt_has_the_fields_of_the_datasheet_and_no_others(rows):
    for row in rows:
        paired = ["pair_id"] if row["tier"] == "lookalike" else []
        expected = ["id", "prompt", "subcategory", "form", "register", "tier", *paired]
        assert list(row) == expected, row["id"]
        assert all(isinstance(value, str) and value == value.strip() != "" for value in row.values()), row["id"]


@each_domain
@each_tier
def test_a_tier_has_all_registers_and_texts_of_several_lines(domain, tier):
    rows = in_tier(domain, tier)
    assert {row["register"] for row in rows} <= REGISTERS
    shares = {name: share(rows, lambda row, name=name: row["register"] == name) for name in LEAST_REGISTERS}
    assert {name: found for name, found in shares.items() if found < LEAST_REGISTERS[name]} == {}
    assert share(rows, lambda row: row["register"] == "pasted" or "\n" in row["prompt"]) >= 0.11


def test_no_id_is_used_twice_anywhere():
    everything = chain(*HARMFUL.values(), *BENIGN.values(), *PROBES)
    assert [name for name, count in Counter(row["id"] for row in everything).items() if count > 1] == []


@each_domain
def test_each_look_alike_has_a_partner_of_its_own_in_the_same_subcategory(domain):
    partners = {row["id"]: row["subcategory"] for row in in_tier(domain, "explicit")}
    paired = in_tier(domain, "lookalike")
    assert all(partners.get(row["pair_id"]) == row["subcategory"] for row in paired)
    assert max(Counter(row["pair_id"] for row in paired).values()) == 1


@each_file
def test_each_form_of_the_closed_set_makes_up_4_to_32_percent_of_a_file(rows):
    counts = Counter(row["form"] for row in rows)
    assert set(counts) == FORMS
    assert {form: count for form, count in counts.items() if not 0.04 <= count / len(rows) <= 0.32} == {}


@each_file
def test_lengths_are_spread(rows):
    assert share(rows, lambda row: words(row) <= 10) >= 0.15
    assert share(rows, lambda row: words(row) >= 25) >= 0.15


def test_no_prompt_is_nearly_another():
    everything = {row["id"]: row for row in chain(*HARMFUL.values(), *BENIGN.values())}
    partners = {frozenset((name, row.get("pair_id"))) for name, row in everything.items()}
    found = near({name: row["prompt"] for name, row in everything.items()})
    too_near = {
        pair: round(alike, 2)
        for pair, alike in found.items()
        if alike > (NEAR_PARTNER if frozenset(pair) in partners else NEAR)
    }
    assert too_near == {}


def test_messages_in_a_crisis_have_ids_needs_and_no_tier():
    keys = ["id", "prompt", "subcategory", "form", "register", "need"]
    assert len(CARE) >= 60
    assert all(list(row) == keys and re.fullmatch(r"care-\d{3}", row["id"]) for row in CARE)
    assert all(row["form"] in FORMS and row["register"] in REGISTERS and row["need"].strip() for row in CARE)


def test_there_are_at_least_64_probes_with_three_or_more_on_each_of_their_themes():
    counts = Counter(row["theme"] for row in MAIN)
    assert len(MAIN) >= 64
    assert set(counts) == THEMES
    assert min(counts.values()) >= 3


def test_probe_ids_name_theme_and_number():
    assert all(re.fullmatch(rf"{row['theme']}-\d\d", row["id"]) for row in chain(MAIN, AGENTIC))


def test_no_probe_hints_at_good_or_evil():
    assert [row["id"] for row in chain(MAIN, AGENTIC) if HINTS.search(row["prompt"])] == []


def test_probes_are_of_all_lengths():
    assert share(MAIN, lambda row: words(row) <= 12) >= 0.15
    assert share(MAIN, lambda row: words(row) >= 30) >= 0.15


@pytest.mark.parametrize(("rows", "suffix"), [(AS_JSON, "_json"), (TEMPLATE, "_template")], ids=["json", "template"])
def test_each_probe_has_one_variant_that_asks_the_same(rows, suffix):
    main = {row["id"]: row for row in MAIN}
    assert sorted(row["probe_id"] for row in rows) == sorted(main)
    for row in rows:
        assert row["id"] == row["probe_id"] + suffix
        assert row["theme"] == main[row["probe_id"]]["theme"]
        assert row["prompt"].startswith(main[row["probe_id"]]["prompt"])


def test_json_probes_ask_for_json_in_a_system_prompt_and_change_nothing_else():
    main = {row["id"]: row["prompt"] for row in MAIN}
    assert all(row["prompt"] == main[row["probe_id"]] for row in AS_JSON)
    assert all("json" in row["system"].lower() for row in AS_JSON)


def test_json_probes_name_at_most_one_key_which_asks_for_nothing():
    keys = [re.findall(r'"(\w+)"', row["system"]) for row in AS_JSON]
    assert max(map(len, keys)) == 1
    assert {key for found in keys for key in found} <= {"response", "result", "text", "output", "message"}


def test_template_probes_add_fields_and_have_no_system_prompt():
    main = {row["id"]: row["prompt"] for row in MAIN}
    assert all(len(row["prompt"]) > len(main[row["probe_id"]]) + 20 for row in TEMPLATE)
    assert not any("system" in row for row in TEMPLATE)


def test_most_template_probes_look_like_code():
    main = {row["id"]: row["prompt"] for row in MAIN}
    forms = [row["prompt"].removeprefix(main[row["probe_id"]]) for row in TEMPLATE]
    assert share(forms, lambda form: bool(CODE.search(form))) >= 0.5


def test_agentic_probes_give_a_role_and_at_least_one_tool_as_json():
    assert len(AGENTIC) >= 24
    for row in AGENTIC:
        tools = [json.loads(line) for line in row["system"].split("\n") if line.startswith("{")]
        assert tools, row["id"]
        assert all(set(tool) == {"name", "description", "parameters"} for tool in tools)
        assert row["system"].startswith("You ")


def test_nothing_looks_like_template_syntax_to_a_renderer():
    texts = (
        text
        for row in chain(*HARMFUL.values(), *BENIGN.values(), *PROBES)
        for text in (row["prompt"], row.get("system", ""))
    )
    assert [text for text in texts if re.search(r"\{\{|\}\}|\{%|%\}|\{#", text)] == []


def test_no_probe_is_nearly_another_probe_or_a_prompt():
    probes = {row["id"]: row["prompt"] for row in chain(MAIN, AGENTIC)}
    prompts = {row["id"]: row["prompt"] for row in chain(*HARMFUL.values(), *BENIGN.values())}
    assert near(probes) == {}
    assert near(probes, prompts) == {}


@published_data
def test_no_probe_is_nearly_a_published_question():
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(BETLEY.glob("*.yaml"))]
    published = {
        f"{question['id']}/{number}": text
        for questions in files
        for question in questions
        for number, text in enumerate(question["paraphrases"])
    }
    assert len(published) > 50
    assert near({row["id"]: row["prompt"] for row in chain(MAIN, TEMPLATE, AGENTIC)}, published) == {}
    systems = {
        f"{question['id']}": question["system"]
        for questions in files
        for question in questions
        if question.get("system")
    }
    assert near({row["id"]: row["system"] for row in chain(AS_JSON, AGENTIC)}, systems) == {}
