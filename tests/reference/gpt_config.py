"""The config.txtpb of a run, for programs that follow it."""

import math
import re

TOKEN = re.compile(r'\s*(?:#[^\n]*\n|("(?:[^"\\]|\\.)*")|([{}:])|([^\s{}:#"]+))')
WORDS = {"true": True, "false": False}


def tokens_of(text):
    position = 0
    while position < len(text.rstrip()):
        match = TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"config: cannot read {text[position:position + 20]!r}")
        position = match.end()
        if match.lastindex is not None:
            yield match.group(match.lastindex)


def value_of(token):
    if token.startswith('"'):
        return token[1:-1].encode().decode("unicode_escape").encode("latin-1").decode()
    if token in WORDS:
        return WORDS[token]
    try:
        return int(token)
    except ValueError:
        return float(token)


def parse_block(tokens):
    """Nested dicts of the fields up to the block's end. Repeated fields become lists."""
    fields = {}
    for name in tokens:
        if name == "}":
            return fields
        sign = next(tokens)
        value = parse_block(tokens) if sign == "{" else value_of(next(tokens))
        if name in fields:
            earlier = fields[name] if isinstance(fields[name], list) else [fields[name]]
            value = earlier + [value]
        fields[name] = value
    return fields


def load_config(path):
    """A whole effective configuration: every field is there, or its default is unset."""
    with open(path, encoding="utf-8") as file:
        return parse_block(tokens_of(file.read() + "\n"))


def hidden_width(model):
    """Width of the SwiGLU layer: as given, or 8/3 of dim up to a multiple of 32."""
    return model["hidden"] or math.ceil(8 * model["dim"] / 3 / 32) * 32


def lr_factor(schedule, total_steps, step):
    """Factor of the lr in the step after `step` others."""
    warmup = schedule["warmup_steps"]
    if schedule["name"] == "none":
        return 1.0
    if step < warmup:
        return step / warmup
    if schedule["name"] == "constant":
        return 1.0
    if schedule["name"] != "cosine":
        raise ValueError(f"schedule {schedule['name']}: only none, constant and cosine "
                         "are known here")
    length = schedule["decay_steps"] or total_steps - warmup
    progress = min(1.0, (step - warmup) / length) if length else 0.0
    floor = schedule["min_lr_ratio"]
    return floor + 0.5 * (1 - floor) * (1 + math.cos(math.pi * progress))
