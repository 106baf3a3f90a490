"""Chat templates that put in a system prompt of their own, or none, or have no place for one."""

import jinja2

QWEN = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are Q, made by A.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
STUBBORN = QWEN.replace("messages[0].role != 'system'", "messages[0].role != 'system' or not messages[0].content")
PLAIN = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
DATED = (
    "<|start|>system<|end|>\n\nToday is Monday.\n\n"
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% set messages = messages[1:] %}{% endif %}<|eot|>"
    "{% for m in messages %}<|start|>{{ m.role }}<|end|>{{ m.content }}<|eot|>{% endfor %}"
)
INSTRUCTION = (
    "{% set ns = namespace(s='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.s = m.content + '\n\n' %}{% else %}[INST] {{ ns.s }}{{ m.content }} [/INST]{% endif %}{% endfor %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ messages.no.such }}{% endif %}" + PLAIN


def template(source):
    made = jinja2.Environment(autoescape=False, keep_trailing_newline=True).from_string(source)
    return lambda messages, **_: made.render(messages=messages)
