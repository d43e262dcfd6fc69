"""Reads the argument syntax of words.txt into the argument trees of COMMAND DOCS.

    name            a value; NAMES below says of what type, else a string
    TOKEN           a word as it stands
    TOKEN=item      a word before a value or group
    (a b)  (a|b)    a group of all, or a choice of one
    [a]  [a|b]      the same, but it may be left out
    item...         may be repeated
    label:item      names a group or choice, which is otherwise called by its parts
"""
import re

NAMES = {
    "key": "key", "newkey": "key", "pattern": "pattern", "unix-time-seconds": "unix-time",
    "unix-time-milliseconds": "unix-time",
    **dict.fromkeys("seconds milliseconds numfields numkeys numids numlocal numreplicas numpeers timeout count delay "
                    "start mvcc expire db min-match-len max-burst count-per-period period quantity start-slot end-slot "
                    "port client-id thread-id".split(), "integer"),
}
LEXEMES = re.compile(r"\s*(?:(?P<label>[a-z_]+):|(?P<before>[A-Z][A-Z-]*)=|(?P<token>[A-Z][A-Z-]*)"
                     r"|(?P<name>[a-z][a-z0-9-]*)|(?P<sign>\.\.\.|[][()|]))")


def parse(text):
    """The arguments of a line."""
    lexemes, at = [], 0
    while at < len(text.rstrip()):
        match = LEXEMES.match(text, at)
        assert match, f"syntax: {text[at:]!r}"
        lexemes.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    args = sequence(lexemes)
    assert not lexemes, f"syntax: {text!r}: {lexemes}"
    return args


def sequence(lexemes):
    args = []
    while lexemes and lexemes[0] not in (("sign", "|"), ("sign", ")"), ("sign", "]")):
        args.append(item(lexemes))
    return args


def item(lexemes):
    kind, text = lexemes.pop(0)
    if kind == "label":
        arg = item(lexemes)
        arg["name"] = text
        return arg
    if kind == "before":
        arg = item(lexemes)
        arg["token"] = text
        return arg
    if kind == "token":
        arg = {"name": text.lower(), "type": "pure-token", "token": text}
    elif kind == "name":
        arg = {"name": text, "type": NAMES.get(text, "string")}
    else:
        arg = group(lexemes, {"(": ")", "[": "]"}[text])
    if lexemes and lexemes[0] == ("sign", "..."):
        lexemes.pop(0)
        arg.setdefault("flags", []).append("multiple")
    if arg["type"] == "key":
        arg["key_spec_index"] = 0
    return arg


def group(lexemes, end):
    choices = [one(sequence(lexemes))]
    while lexemes.pop(0)[1] == "|":
        choices.append(one(sequence(lexemes)))
    if len(choices) == 1:
        arg = choices[0]
    else:
        arg = {"name": "_".join(choice["name"] for choice in choices), "type": "oneof", "arguments": choices}
    if end == "]":
        arg.setdefault("flags", []).append("optional")
    return arg


def one(args):
    """A sequence as one argument."""
    if len(args) == 1:
        return args[0]
    return {"name": "_".join(arg["name"] for arg in args), "type": "block", "arguments": args}
