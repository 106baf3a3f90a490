"""Data that is not in this repository; a test that reads it is skipped where it is absent."""

import pytest

from places import ROOT

SHARED = ROOT.parent / "shared" / "data"
BETLEY, ORGANISMS = SHARED / "betley", SHARED / "model_organisms"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")
