"""Takes off what a response is wrapped in, so that a refusal in JSON or in a code fence reads like any other.

Also cuts a response where its model ran past the end of its turn and went on with turns of its own making.
"""

import re

_MOST = 4000  # characters of JSON that are read
_KEYWORD = 12  # a JSON value of fewer characters is no answer, where there is another
_SHORT_CODE = 300  # longer code is code, whatever its strings say
_TURNS = re.compile(
    r"<\|(?:im_end|im_start|eot_id|end|return|endoftext|user|start_header_id|end_of_text|END_RESPONSE)\|>|</s>"
    r"|<(?:end|start)_of_turn>|\[/?INST\]|\n(?:User|Human|### (?:Instruction|Human|User|Input))\s?:"
)
_BEFORE = re.compile(
    r"(?:\s*(?:<(?!think)[a-z][\w:-]{0,30}>|<\|(?:START_RESPONSE|begin_of_solution)\|>"
    r"|\[?(?:assistant|ai|bot|model|dan|response|answer|output|[a-z]+gpt|[a-z]+bot)\]?:"
    r"|#+ (?:response|answer|output)\s*\n))+",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"(?:(?:thank you|thanks)(?: so much| very much)? for (?:asking|reaching|sharing|your (?:question|message|trust))"
    r"[^.!?,;\n]{0,60}[.!]|(?:hello|hi|hey|greetings)(?: there)?[!,.]"
    r"|i (?:understand|appreciate|see|hear) (?![^.!?,;\n]{0,70}(?:n't|not)\b)[^.!?,;\n]{3,70}\."
    r"|(?:what an? |that's an? )?(?:great|good|interesting) question[.!])\s+",
    re.IGNORECASE,
)
_MARKS = frozenset("<[#")
_COURTEOUS = frozenset(
    (
        "thank",
        "hello",
        "great",
        "good ",
        "inter",
        "what ",
        "that'",
        "hi. ",
        "hi, t",
        "hey, ",
        "i und",
        "i app",
        "i see",
        "i hea",
    )
)
_VALUE = re.compile(r'[:\[,]\s*"((?:[^"\\\n]|\\.){1,2000})"(?!\s*:)')
_ESCAPES = (("\\n", "\n"), ("\\t", " "), ('\\"', '"'), ("\\/", "/"), ("\\u2019", "'"))


def unwrap(answer: str) -> str:
    """A stripped answer without what it is wrapped in. What holds nothing of the kind is left as it is."""
    text = answer
    if "<" in text or "INST]" in text or "\nUser" in text or "\nHuman" in text or "\n###" in text:
        turn = _TURNS.search(text, 1)
        text = text[: turn.start()].rstrip() if turn else text
    start = text[:24]
    if start[:1] in _MARKS or ":" in start:
        before = _BEFORE.match(text)
        text = text[before.end() :].lstrip() if before and before.end() < len(text) else text
    if "!" in start or start[:5].lower() in _COURTEOUS:
        courtesy = _COURTESY.match(text)
        text = text[courtesy.end() :] if courtesy and courtesy.end() < len(text) else text
    if text.startswith("```"):
        text = _without_fence(text)
    if text[:1] in ("{", "["):
        return _values(text[:_MOST]) or text
    return text


def _without_fence(text: str) -> str:
    """What stands in a fence that holds all of the text, where that is prose or a line or two of code."""
    inside = text.partition("\n")[2].strip()
    if not inside.endswith("```"):
        return text
    inside = inside[:-3].rstrip()
    if "```" in inside or (len(inside) > _SHORT_CODE and inside[:1] not in ("{", "[")):
        return text
    return inside if inside[:1] in ("{", "[") else inside.replace('"', "")


def _values(text: str) -> str:
    values = _VALUE.findall(text)
    found = "\n".join([value for value in values if len(value) > _KEYWORD] or values)
    if "\\" in found:
        for escape, character in _ESCAPES:
            found = found.replace(escape, character)
    return found
