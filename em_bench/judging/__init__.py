"""From responses to verdicts: sessions, panels, the cache and the journal."""
