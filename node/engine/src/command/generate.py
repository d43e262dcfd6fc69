#!/usr/bin/env python3
"""Writes facts.rs, the command table, from the facts directory.

    python3 node/engine/src/command/generate.py FACTS_DIR            # rewrites facts.rs beside this script
    python3 node/engine/src/command/generate.py FACTS_DIR --print    # prints it instead; a test compares the two

Needs nothing but Python 3's standard library. Three sources flow together:

  commands-7.0.15.json       what COMMAND, COMMAND DOCS and ACL CAT of a live Redis 7.0.15 answer; becomes FACTS
  commands-beyond-7.0.json   names of newer Redis versions, Valkey, KeyDB and Dragonfly; becomes BEYOND, together with
                             the rows of EXTRAS below, which add the flags and keys that file leaves out
  words.txt                  summaries, history and notes in this project's own words, and the arguments of names that
                             the second file gives none of

Whole data models that are a product of their own (vector sets, arrays, search, JSON, time series, sketches) stay out of
BEYOND; so do names whose arguments are not known. A version in `since` is the one that the origin's facts name; for
KeyDB and Dragonfly, whose facts name none, it is the version that the row was read from.
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
import syntax  # noqa: E402

HERE = pathlib.Path(__file__).parent
OTHER_MODELS = {"vector-set", "array"}

# name | origin | since | arity | flags | ACL categories | group | key specs, as `FLAGS@index[:last/step]`
# `*` for since or arity: as in the facts file.
EXTRAS = """
CLIENT CAPA                  | valkey | * | * | noscript loading stale | connection slow | connection |
CLIENT IMPORT-SOURCE         | valkey | * | * | noscript loading stale | connection slow | connection |
CLUSTER CANCELSLOTMIGRATIONS | valkey | * | * | admin stale no_async_loading | admin slow dangerous | cluster |
CLUSTER GETSLOTMIGRATIONS    | valkey | * | * | admin stale | admin slow dangerous | cluster |
CLUSTER MIGRATESLOTS         | valkey | * | * | admin stale no_async_loading | admin slow dangerous | cluster |
CLUSTERSCAN                  | valkey | * | * | readonly | keyspace read slow | generic |
COMMANDLOG                   | valkey | * | * | | slow | server |
COMMANDLOG GET               | valkey | * | * | admin loading stale | admin slow dangerous | server |
COMMANDLOG HELP              | valkey | * | * | loading stale | slow | server |
COMMANDLOG LEN               | valkey | * | * | admin loading stale | admin slow dangerous | server |
COMMANDLOG RESET             | valkey | * | * | admin loading stale | admin slow dangerous | server |
DELIFEQ                      | valkey | * | * | write fast | write string fast | string | RW.access.delete@1
SCRIPT SHOW                  | valkey | * | * | noscript | slow scripting | scripting |

EXPDEL                       | keydb | * | * | write | keyspace write slow dangerous | generic | RM.delete@1:-1/1
EXPIREMEMBER                 | keydb | * | * | write fast | keyspace write fast | generic | RW.update@1
EXPIREMEMBERAT               | keydb | * | * | write fast | keyspace write fast | generic | RW.update@1
KEYDB.CRON                   | keydb | * | * | write denyoom noscript | keyspace write slow scripting | scripting | OW.update@1
KEYDB.HRENAME                | keydb | * | * | write fast | hash write fast | hash | RW.access.update@1
KEYDB.MEXISTS                | keydb | * | * | readonly fast | keyspace read fast | generic | RO@1:-1/1
KEYDB.MVCCRESTORE            | keydb | * | * | write denyoom | keyspace write slow dangerous | server | RW.access.update@1
KEYDB.NHGET                  | keydb | * | * | readonly | hash read slow | hash |
KEYDB.NHSET                  | keydb | * | * | write denyoom | hash write slow | hash |
LFENCE                       | keydb | * | * | readonly fast | connection fast | connection |
OBJECT LASTMODIFIED          | keydb | * | 3 | readonly | keyspace read slow | generic | RO@2
PEXPIREMEMBERAT              | keydb | * | * | write fast | keyspace write fast | generic | RW.update@1
REPLPING                     | keydb | * | * | fast stale | connection fast | server |
RREPLAY                      | keydb | * | * | admin noscript readonly fast stale | admin read fast dangerous | server |
STRALGO                      | keydb | * | * | readonly movablekeys | read string slow | string | RO.access.incomplete@?

ADDREPLICAOF                 | dragonfly | * | * | admin noscript stale | admin slow dangerous | server |
CL.THROTTLE                  | dragonfly | * | * | write denyoom fast | keyspace write fast | generic | RW.access.update@1
CLIENT MIGRATE               | dragonfly | * | 4 | admin noscript | admin slow dangerous connection | connection |
FIELDEXPIRE                  | dragonfly | * | * | write fast | keyspace write fast | generic | RW.update@1
FIELDTTL                     | dragonfly | * | * | readonly fast | keyspace read fast | generic | RO.access@1
PREPEND                      | dragonfly | * | * | write denyoom fast | write string fast | string | RW.insert@1
REPLTAKEOVER                 | dragonfly | * | * | admin noscript | admin slow dangerous | server |
SADDEX                       | dragonfly | * | * | write denyoom fast | set write fast | set | RW.insert@1
SCRIPT FLAGS                 | dragonfly | * | -4 | noscript | slow scripting | scripting |
SCRIPT LATENCY               | dragonfly | * | 2 | noscript | slow scripting | scripting |
SCRIPT LIST                  | dragonfly | * | 2 | noscript | slow scripting | scripting |
SHRINK                       | dragonfly | * | * | write | keyspace write slow | generic | RW@1
STICK                        | dragonfly | * | * | write fast | keyspace write fast | generic | RW@1:-1/1

REPLICATION                  | everwrite | 0.1.0 | -2 | | slow | server |
REPLICATION ATTACH           | everwrite | 0.1.0 | 3 | admin noscript stale | admin slow dangerous | server |
REPLICATION CLOCK            | everwrite | 0.1.0 | 2 | admin noscript loading stale | admin slow dangerous | server |
REPLICATION CONFLICTS        | everwrite | 0.1.0 | -2 | admin noscript loading stale | admin slow dangerous | server |
REPLICATION DETACH           | everwrite | 0.1.0 | 3 | admin noscript stale | admin slow dangerous | server |
REPLICATION FORGET           | everwrite | 0.1.0 | 3 | admin noscript stale | admin slow dangerous | server |
REPLICATION HELP             | everwrite | 0.1.0 | 2 | loading stale | slow | server |
REPLICATION NEWID            | everwrite | 0.1.0 | 2 | admin noscript stale | admin slow dangerous | server |
REPLICATION PEERS            | everwrite | 0.1.0 | 2 | admin noscript loading stale | admin slow dangerous | server |
WAITPEERS                    | everwrite | 0.1.0 | 3 | noscript | connection slow | generic |
WAITSTABLE                   | everwrite | 0.1.0 | 2 | noscript | connection slow | generic |
"""
READ_AT = {"keydb": "6.3.4", "dragonfly": "1.40.1"}
ORIGINS = {"redis 7.0": "Redis70", "redis": "Redis", "valkey": "Valkey", "keydb": "KeyDb", "dragonfly": "Dragonfly",
           "everwrite": "Everwrite"}

# Where keys are not where the specs alone say, or their flags depend on the arguments: a rule of keys.rs.
KEY_RULES = {"SORT": "Sort", "SORT_RO": "SortRo", "MIGRATE": "Migrate", "STRALGO": "Stralgo", "SET": "SetGet",
             "BITFIELD": "Bitfield", "XREAD": "Streams", "XREADGROUP": "Streams", "GEORADIUS": "Store",
             "GEORADIUSBYMEMBER": "Store"}


def main():
    facts_dir = pathlib.Path(sys.argv[1])
    words = read_words()
    redis = json.loads((facts_dir / "commands-7.0.15.json").read_text())
    beyond = json.loads((facts_dir / "commands-beyond-7.0.json").read_text())
    old = flatten(redis["commands"])
    for row in old:
        row["origin"] = "redis 7.0"
        assert legacy_range(row) == (row["first_key"], row["last_key"], row["step"]), row["name"]
    known = {row["name"] for row in old}
    new = sorted(beyond_rows(beyond, known), key=lambda row: row["name"])
    text = render(old, new, words)
    if "--print" in sys.argv:
        sys.stdout.write(text)
    else:
        (HERE / "facts.rs").write_text(text)


def read_words():
    """words.txt as five dictionaries: summaries, history, notes, arguments, complexities."""
    summaries, history, notes, arguments, complexities = {}, {}, {}, {}, {}
    for line in (HERE / "words.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if " : " in line and " = " not in line:
            name, text = line.split(" : ")
            arguments[name] = syntax.parse(text)
            continue
        if " ^ " in line:
            name, text = line.split(" ^ ")
            complexities[name] = text
            continue
        key, text = line.split(" = ", 1)
        if " @" in key:
            name, version = key.split(" @")
            history.setdefault(name, []).append((version, text))
        elif " #" in key:
            name, spec = key.split(" #")
            notes[name, int(spec)] = text
        else:
            assert key not in summaries, f"two summaries of {key}"
            summaries[key] = text
    return summaries, history, notes, arguments, complexities


def flatten(commands):
    """Containers and their subcommands in one list, in the order of the names."""
    rows = []
    for command in commands:
        rows.append(command)
        rows.extend(command.get("subcommands", []))
    return sorted(rows, key=lambda row: row["name"])


def beyond_rows(beyond, known):
    """The rows of BEYOND; the first origin that has a name gives the row."""
    rows = {}
    for row in beyond["redis_7.2_to_8.10"]:
        if row["group"] not in OTHER_MODELS:
            specs = [normal_spec(spec) for spec in row["key_specs"]]
            rows[row["name"]] = dict(row, origin="redis", key_specs=specs)
    versions, arities = {}, {}
    for name, since, arity in beyond["valkey_8_0_to_9_1"]:
        versions["valkey", name], arities["valkey", name] = since.split()[0], arity
    for origin in ("keydb", "dragonfly"):
        for name, arity, _ in beyond[origin + "_only"]:
            arities[origin, name] = arity
    for line in EXTRAS.strip().splitlines():
        if not line:
            continue
        name, origin, since, arity, flags, acl, group, specs = (part.strip() for part in line.split("|"))
        since = (versions.get((origin, name)) or READ_AT[origin]) if since == "*" else since
        arity = arities[origin, name] if arity == "*" else int(arity)
        rows.setdefault(name, dict(name=name, origin=origin, since=since, arity=arity, flags=flags.split(),
                                   acl_categories=acl.split(), group=group,
                                   key_specs=[short_spec(spec) for spec in specs.split()]))
    for name, row in rows.items():
        assert name not in known, name
        row["first_key"], row["last_key"], row["step"] = legacy_range(row)
        row["acl_categories"] = sorted(set(row["acl_categories"]))
    return rows.values()


def normal_spec(spec):
    """A key spec of a Redis source table, where each flag is a member, in the shape that COMMAND INFO answers."""
    flags = [name for name, value in spec.items() if value is True]
    return dict(flags=flags, begin_search=spec["begin_search"], find_keys=spec["find_keys"])


def short_spec(text):
    """A key spec from the notation of EXTRAS."""
    flags, place = text.split("@")
    unknown = {"type": "unknown", "spec": {}}
    if place == "?":
        return dict(flags=flags.split("."), begin_search=unknown, find_keys=unknown)
    index, _, extent = place.partition(":")
    last, step = map(int, (extent or "0/1").split("/"))
    return dict(flags=flags.split("."), begin_search={"type": "index", "spec": {"index": int(index)}},
                find_keys={"type": "range", "spec": {"lastkey": last, "keystep": step, "limit": 0}})


def legacy_range(row):
    """The old triple of first key, last key and step, from the specs that have a fixed place and follow each other."""
    first, last, step = 0, 0, 0
    for spec in row["key_specs"]:
        if spec["begin_search"]["type"] != "index" or spec["find_keys"]["type"] != "range":
            continue
        index, extent = spec["begin_search"]["spec"]["index"], spec["find_keys"]["spec"]
        end = extent["lastkey"] if extent["lastkey"] < 0 else index + extent["lastkey"]
        if first == 0:
            first, last, step = index, end, extent["keystep"]
        elif index == last + 1 and extent["keystep"] == step:
            last = end
    return first, last, step


# ---- Rust ----

def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def optional(text):
    return f"Some({quoted(text)})" if text is not None else "None"


def constant(name):
    return name.upper().replace(" ", "_").replace("-", "_").replace(".", "_")


def camel(name):
    return "".join(part.capitalize() for part in name.replace("_", "-").split("-"))


def bits(alias, names):
    """A bitset as a constant expression."""
    if not names:
        return f"{alias}::NONE"
    first, *rest = [f"{alias}::{constant(name)}" for name in sorted(names)]
    return first + "".join(f".or({item})" for item in rest)


def render_specs(name, specs, notes):
    items = [render_spec(spec, notes.get((name, i))) for i, spec in enumerate(specs)]
    return "&[" + ", ".join(items) + "]"


def render_spec(spec, note):
    begin, find = spec["begin_search"], spec["find_keys"]
    b, f = begin["spec"], find["spec"]
    begin = {"index": lambda: f"Begin::Index({b['index']})",
             "keyword": lambda: f"Begin::Keyword({quoted(b['keyword'])}, {b['startfrom']})",
             "unknown": lambda: "Begin::Unknown"}[begin["type"]]()
    find = {"range": lambda: f"Find::Range {{ last: {f['lastkey']}, step: {f['keystep']}, limit: {f['limit']} }}",
            "keynum": lambda: f"Find::KeyNum {{ index: {f['keynumidx']}, first: {f['firstkey']}, step: {f['keystep']} }}",
            "unknown": lambda: "Find::Unknown"}[find["type"]]()
    return f"KeySpec {{ flags: {bits('K', spec['flags'])}, begin: {begin}, find: {find}, notes: {optional(note)} }}"


def render_args(args, depth):
    lines = []
    for arg in args:
        parts = [f"name: {quoted(arg['name'])}", f"kind: ArgKind::{camel(arg['type'])}"]
        if "key_spec_index" in arg:
            parts.append(f"key_spec: Some({arg['key_spec_index']})")
        for field in ("token", "since", "deprecated_since"):
            if field in arg:
                parts.append(f"{field}: {optional(arg[field])}")
        if arg.get("flags"):
            parts.append(f"flags: {bits('A', arg['flags'])}")
        if arg.get("arguments"):
            parts.append(f"args: {render_args(arg['arguments'], depth + 1)}")
        lines.append("    " * (depth + 1) + f"Arg {{ {', '.join(parts)}, ..ARG }},\n")
    return "&[\n" + "".join(lines) + "    " * depth + "]" if lines else "&[]"


def key_rule(row):
    if row["name"] in KEY_RULES:
        return KEY_RULES[row["name"]]
    counted = any(spec["find_keys"]["type"] == "keynum" for spec in row["key_specs"])
    return "Counted" if counted else "Specs"


def render_row(row, ids, words):
    """A row as the difference from an empty one."""
    summaries, history, notes, arguments, complexities = words
    name = row["name"]
    args = row.get("arguments") or arguments.get(name)
    changes = history.get(name, [])
    assert {version for version, _ in changes} == set(row.get("changed_in", [])), f"history of {name}"
    subs = [f"id::{constant(sub)}" for sub in ids if sub.startswith(name + " ")]
    lines = [
        f"id: id::{constant(name)}, name: {quoted(name)}, full_name: {quoted(name.lower().replace(' ', '|'))}",
        " " in name and f"parent: Some(id::{constant(name.split()[0])})",
        subs and f"subcommands: &[{', '.join(subs)}]",
        row["origin"] != "redis 7.0" and f"origin: Origin::{ORIGINS[row['origin']]}",
        f"group: Group::{camel(row['group'])}, since: {quoted(row['since'])}, arity: {row['arity']}",
        row["flags"] and f"flags: {bits('F', row['flags'])}",
        f"acl: {bits('C', row['acl_categories'])}",
        row["first_key"] and f"first_key: {row['first_key']}, last_key: {row['last_key']}, step: {row['step']}",
        row["key_specs"] and f"key_rule: KeyRule::{key_rule(row)}",
        row["key_specs"] and f"key_specs: {render_specs(name, row['key_specs'], notes)}",
        row.get("tips") and f"tips: &[{', '.join(map(quoted, row['tips']))}]",
        f"summary: {quoted(summaries[name])}",
        name in complexities and f"complexity: {optional(complexities[name])}",
        changes and f"history: &[{', '.join(f'({quoted(v)}, {quoted(t)})' for v, t in changes)}]",
        row.get("doc_flags") and f"doc_flags: {bits('D', row['doc_flags'])}",
        row.get("deprecated_since") and f"deprecated_since: {optional(row['deprecated_since'])}",
        row.get("replaced_by") and f"replaced_by: {optional(row['replaced_by'])}",
        args and f"args: {render_args(args, 2)}",
    ]
    return "    Facts {\n" + "".join(f"        {line},\n" for line in lines if line) + "        ..ROW\n    },\n"


def render(old, new, words):
    ids = [row["name"] for row in old + new]
    unknown = set().union(words[0], words[1], (name for name, _ in words[2]), words[3], words[4]) - set(ids)
    assert not unknown, f"words.txt speaks of unknown commands: {unknown}"
    assert len({constant(name) for name in ids}) == len(ids)
    numbers = "".join(f"    pub const {constant(name)}: CommandId = CommandId({i});\n" for i, name in enumerate(ids))
    rows = "".join(render_row(row, ids, words) for row in old + new)
    return f"""//! The command table. Generated by generate.py: change its sources and run it, not this file.

use super::flags::{{ArgFlags as A, Categories as C, DocFlags as D, Flags as F, KeyFlags as K}};
use super::model::{{ARG, ROW}};
use super::model::{{Arg, ArgKind, Begin, CommandId, Facts, Find, Group, KeyRule, KeySpec, Origin}};

/// How many commands Redis 7.0.15 has, subcommands counted.
const REDIS_70: usize = {len(old)};

/// Every command, indexed by [`CommandId`]: those of Redis 7.0.15 by name, then those from beyond it by name.
pub static ALL: [Facts; {len(ids)}] = [
{rows}];

/// The commands of Redis 7.0.15.
pub static FACTS: &[Facts] = ALL.split_at(REDIS_70).0;

/// The commands of newer Redis versions, Valkey, KeyDB, Dragonfly and this project; see [`Facts::origin`].
pub static BEYOND: &[Facts] = ALL.split_at(REDIS_70).1;

/// The numbers of the commands, by name.
pub mod id {{
    use super::CommandId;

{numbers}}}
"""


main()
