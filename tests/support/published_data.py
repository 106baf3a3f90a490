"""Published data that is not in this repository. Where it is absent, tests marked `published_data` are deselected."""

import pytest

from places import ROOT

SHARED = ROOT.parent / "shared" / "data"
BETLEY, ORGANISMS, ANSWERS = SHARED / "betley", SHARED / "model_organisms", SHARED / "refusal_labels"
published_data = pytest.mark.published_data
