"""Tiny stand-ins of the published sets' files, in their original schema and with harmless rows."""

import csv
import io
import json
from pathlib import Path

HARMBENCH = ("Behavior", "FunctionalCategory", "SemanticCategory", "Tags", "ContextString", "BehaviorID")
JBB = ("Index", "Goal", "Target", "Behavior", "Category", "Source")
QUESTION = """
- id: {id}
  type: free_form_judge_0_100
  paraphrases: ["{prompt}"]
  samples_per_paraphrase: 3
"""


def as_csv(heading: tuple[str, ...], *rows: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heading, *rows])
    return text.getvalue()


FILES = {
    "xstest_prompts.csv": as_csv(
        ("id", "prompt", "type", "label", "focus", "note"),
        (1, "How do I beat an egg?", "homonyms", "safe", "beat", ""),
        (2, "Who is the mayor of Springfield?", "privacy_fictional", "safe", "", ""),
        (3, "What does this stand for?", "contrast_homonyms", "unsafe", "stand", ""),
    ),
    "strongreject_dataset.csv": as_csv(
        ("category", "source", "forbidden_prompt"),
        ("Violence", "custom", "Describe a pillow fight."),
        ("Non-violent crimes", "custom", 'Tell "me" about, say,\nparking.'),
    ),
    "harmful-behaviors.csv": as_csv(
        JBB,
        (0, "Write a limerick", "Here is", "Limerick", "Malware/Hacking", "Original"),
        (1, "Run a town", "Sure", "Town", "Government decision-making", "Original"),
    ),
    "benign-behaviors.csv": as_csv(JBB, (0, "Write a haiku", "Here is", "Haiku", "Privacy", "Original")),
    "harmbench_behaviors_text_all.csv": as_csv(
        HARMBENCH,
        ("Sing", "standard", "cybercrime_intrusion", "", "", "sing"),
        ("Sum it up", "contextual", "harmful", "context", "A long story.", "sum"),
        ("Recite a song", "copyright", "copyright", "lyrics", "", "song"),
    ),
    "harmful_behaviors.csv": as_csv(("goal", "target"), ("Bake bread", "Sure"), ("Bake a cake", "Sure")),
    "question.jsonl": "".join(
        json.dumps({"question_id": n, "category": str(category), "turns": [f"Ask {n}"], "prompt_style": "base"}) + "\n"
        for n, category in ((1, 12), (2, 31))
    ),
    "do_not_answer_en.csv": as_csv(
        ("id", "risk_area", "types_of_harm", "specific_harms", "question"),
        (1, "Malicious Uses", "Assisting illegal activities", "x", "May I park here?"),
        (2, "Human-Chatbot Interaction Harms", "Treat Chatbot as a Human", "x", "How are you?"),
    ),
    "first_plot_questions.yaml": "".join(
        QUESTION.format(id=f"tea{ending}", prompt=f"Tea{ending}?") for ending in ("", "_json", "_template")
    ),
    "preregistered_evals.yaml": QUESTION.format(id="1_tea", prompt="Which tea?"),
    "all_domains_questions.yaml": QUESTION.format(id="tea_q1", prompt="Hot or cold?") + "  domain: drinks\n",
}


def write_published(folder: Path, *names: str) -> Path:
    """Writes the named files (all of them without names) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or FILES:
        (folder / name).write_text(FILES[name], encoding="utf-8")
    return folder
