"""Sets of probes. The forms of one set are pooled; different sets never are, as they ask other things."""

import re
from collections.abc import Mapping

FORMS = ("main", "json", "template")
OWN = "em_probes"
PUBLISHED = "em_published_"
_FORM = re.compile(rf"_({'|'.join(FORMS)})$")


def set_of(task: str) -> str:
    """The set that a task of probes asks: `<set>_main`, `<set>_json` and `<set>_template` ask one in its forms."""
    return _FORM.sub("", task)


def sets_in_words(counts: Mapping[str, int]) -> str:
    """`em_probes: 70 probes; em_published_first_plot: 8 published probes`."""
    return "; ".join(
        f"{name}: {count} {'published ' if name.startswith(PUBLISHED) else ''}probe{'' if count == 1 else 's'}"
        for name, count in counts.items()
    )
