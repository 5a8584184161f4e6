#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the documents of the management interface and of both programs from their declarations.

    documents.py [--check] DECLARATIONS ROOT

DECLARATIONS prints them; ROOT is the source tree. With --check nothing is written: exit status 1 names what is not current.
"""

import json
import pathlib
import re
import subprocess
import sys
import textwrap

TITLES = {
    "nvmf": "Subsystems, hosts, listeners, transports",
    "bdev": "Devices",
    "bdev_rbd": "RBD images and Ceph clusters",
    "bdev_nvme": "Local SSDs",
    "keyring": "Keys",
    "framework": "The gateway and its configuration",
    "thread": "Cores",
    "log": "The log",
    "notify": "Notifications",
    "rpc": "Methods",
    "spdk": "The process",
    "no_effect": "Accepted for SPDK's clients, without effect here",
}

INTRODUCTION = """\
The methods have the names, parameters and codes of SPDK's target. A call is a request of JSON-RPC 2.0 on the Unix socket of the
gateway (`/var/tmp/spdk.sock`), or `causeway rpc METHOD KEY=VALUE ...`."""

ERRORS = """\
Each method answers -32602 if a parameter is missing, unknown, given twice, of another type or out of range, or if what it names is
not there; the text names the parameter. It answers -1 in another state than its own, and -32601 is the answer to a name that is no
method's. -32603 is what failed on the way, and other negative codes are errno values."""

CODES = [
    ("an unknown subsystem, host, listener, namespace, key or transport, in methods that begin with `nvmf` or `keyring`", "-32602"),
    ("an unknown subsystem in `nvmf_get_subsystems`, an unknown transport in `nvmf_get_transports`", "-19 (ENODEV)"),
    ("an unknown device or controller, in methods that begin with `bdev`", "-19 (ENODEV)"),
    ("an unknown device in `nvmf_subsystem_add_ns`", "-32602"),
    ("an unknown Ceph cluster, pool or image", "-2 (ENOENT)"),
    ("another `tgt_name` than the target's", "-32603"),
    ("a device or cluster whose name is taken", "-17 (EEXIST)"),
    ("a subsystem or transport that is there already", "-32603"),
]


def groups(methods):
    names = [t for t in TITLES if any(m["group"] == t for m in methods)]
    return [(name, [m for m in methods if m["group"] == name]) for name in names]


def type_of(parameter):
    text = parameter["description"]
    if "choices" in parameter:
        text += ": " + ", ".join(f"`{c}`" for c in parameter["choices"])
    if "min" in parameter:
        text += f", {parameter['min']} to {parameter['max']}"
    return text


def default_of(parameter):
    if parameter["required"]:
        return "required"
    if "default" not in parameter:
        return ""
    return f"`{parameter['default'] if isinstance(parameter['default'], str) else json.dumps(parameter['default'])}`"


def with_effect(parameters, prefix=""):
    """All parameters that mean something here, with the members of objects behind them."""
    for parameter in parameters:
        if "effect" in parameter:
            continue
        yield prefix + parameter["name"], parameter
        yield from with_effect(parameter.get("members", []), prefix + parameter["name"] + ".")


def without_effect(parameters, prefix=""):
    for parameter in parameters:
        name = f"`{prefix}{parameter['name']}`"
        effect = parameter.get("effect")
        if effect == "one_value":
            yield f"{name} (only {default_of(parameter)}: {parameter['meaning']})"
        elif effect == "refused":
            yield f"{name} (refused: {parameter['meaning']})"
        elif effect == "none":
            yield f"{name} ({parameter['meaning']})"
        yield from without_effect(parameter.get("members", []), prefix + parameter["name"] + ".")


STATES = {"runtime": "", "startup": "Only before the start (`--wait-for-rpc`).", "any": "In every state."}


def wrapped(text, width=128):
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def method_markdown(method):
    yield f"### {method['name']}\n"
    yield wrapped(" ".join(filter(None, [method["summary"], STATES[method["state"]]]))) + "\n"
    rows = list(with_effect(method["parameters"]))
    if rows:
        yield "| parameter | type | default | meaning |\n|---|---|---|---|"
        for name, p in rows:
            yield f"| `{name}` | {type_of(p)} | {default_of(p)} | {p['meaning']} |"
        yield ""
    rest = list(without_effect(method["parameters"]))
    if rest:
        yield wrapped("Without effect: " + "; ".join(rest) + ".") + "\n"
    if method["ignores_unknown_keys"]:
        yield "Other parameters are ignored, and logged.\n"
    yield wrapped(f"Result: {method['result']}.") + "\n"
    if method["errors"]:
        yield wrapped("Errors: " + "; ".join(f"{e['code']}: {e['when']}" for e in method["errors"]) + ".") + "\n"


def markdown(methods):
    yield "# Methods\n"
    yield ("`cmake --build --preset release --target documents` makes this document, the manual pages and the completion of "
           "`bash` from the\ndeclarations in `rpc/`.\n")
    yield wrapped(INTRODUCTION.replace("\n", " ")) + "\n"
    yield wrapped(ERRORS.replace("\n", " ")) + "\n"
    yield "| condition | code, as SPDK's target answers it |\n|---|---|"
    for condition, code in CODES:
        yield f"| {condition} | {code} |"
    yield ""
    for name, members in groups(methods):
        yield f"## {TITLES[name]}\n"
        for method in members:
            yield from method_markdown(method)


# ---- Events.

ABOUT_EVENTS = """\
These are the lines of causewayd's log that an operator acts on. Each ends with its id, as in `[CW302]`; the id stays the same from
release to release, the words need not. Other lines have no id and want no action: they say what the gateway does. The log goes to
stderr, which the service manager keeps: `journalctl -u causewayd | grep '\\[CW2'`."""

ABOUT_JSON = """\
With `--log-format json` each line is one JSON object with these members. What the operating system's loader or a library prints
by itself is not the gateway's, and stays as it is. Lines that a host can cause are limited to ten a second at each place; the next
one that passes says how many were held back."""

MEMBERS = [
    ("time", "UTC, to the microsecond: `2026-01-31T12:00:00.000042Z`"),
    ("level", "`ERROR`, `WARNING`, `NOTICE`, `INFO` or `DEBUG`"),
    ("component", "the part that logs: that of the event; that of the trace points' flag; or `causewayd`, where a line names none"),
    ("id", "only of events"),
    ("message", "the text, in one line; bytes that are not printable are shown as `\\\\x0a`"),
    ("fields", "what the text names, for programs: an object, of strings and integers; empty where there is nothing to name"),
]

EVENT_GROUPS = {"1": "Hosts", "2": "Images and Ceph clusters", "3": "The gateway itself", "4": "Fabrics", "5": "Local SSDs"}


def events_markdown(events):
    yield "# Events\n"
    yield ("`cmake --build --preset release --target documents` makes this document from the table in "
           "[core/log_event.cc](../core/log_event.cc).\n")
    yield wrapped(ABOUT_EVENTS.replace("\n", " ")) + "\n"
    yield "## As JSON\n"
    yield wrapped(ABOUT_JSON.replace("\n", " ")) + "\n"
    yield "| member | |\n|---|---|"
    for name, meaning in MEMBERS:
        yield f"| `{name}` | {meaning} |"
    yield ""
    for digit, title in EVENT_GROUPS.items():
        yield f"## {title}\n"
        yield "| id | level | component | what has happened | what to do |\n|---|---|---|---|---|"
        for e in events:
            if e["id"][2] == digit:
                yield f"| {e['id']} | {e['level']} | {e['component']} | {e['meaning']} | {e['cure']} |"
        yield ""


# ---- Manual pages.


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]*)`", r"\\fB\1\\fP", text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def heading(name, section, summary):
    yield '.\\" SPDX-License-Identifier: Apache-2.0'
    yield f'.TH {name.upper()} {section} "" "Causeway" "Causeway"'
    yield f".SH NAME\n{roff(name)} \\- {roff(summary)}"


def man_rpc(methods):
    yield from heading("causeway-rpc", 7, "methods of the management interface of causewayd")
    yield f".SH DESCRIPTION\n{roff(INTRODUCTION)}\n.PP\n{roff(ERRORS)}"
    for name, members in groups(methods):
        yield f'.SH "{TITLES[name].upper()}"'
        for method in members:
            yield f".SS {roff(method['name'])}\n{roff(' '.join(filter(None, [method['summary'], STATES[method['state']]])))}"
            for key, p in with_effect(method["parameters"]):
                what = "; ".join(filter(None, [type_of(p), default_of(p) if p["required"] else
                                               default_of(p) and "default " + default_of(p)]))
                yield f".TP\n\\fB{roff(key)}\\fP ({roff(what)})\n{roff(p['meaning'])}"
            rest = list(without_effect(method["parameters"]))
            if rest:
                yield f".PP\nWithout effect: {roff('; '.join(rest))}."
            if method["ignores_unknown_keys"]:
                yield ".PP\nOther parameters are ignored, and logged."
            yield f".PP\nResult: {roff(method['result'])}."
            if method["errors"]:
                yield f".PP\nErrors: {roff('; '.join(str(e['code']) + ': ' + e['when'] for e in method['errors']))}."
    yield ".SH SEE ALSO\n.BR causeway (1),\n.BR causewayd (8)"


def man_options(options):
    group = None
    for option in options:
        if option["group"] not in (group, "Options", "OPTIONS", "Option"):
            group = option["group"]
            yield f'.SS "{roff(group)}"'
        names = option["names"].replace(",", ", ")
        value = "" if option["is_positional"] or not option["takes_value"] else " \\fIVALUE\\fP"
        default = f" Default: {option['default']}." if option["default"] else ""
        meaning = option["meaning"][:1].upper() + option["meaning"][1:]
        yield f".TP\n\\fB{roff(names)}\\fP{value}\n{roff(meaning)}.{roff(default)}"


def man_daemon(program):
    yield from heading("causewayd", 8, program["summary"])
    yield ".SH SYNOPSIS\n.B causewayd\n[\\fIOPTIONS\\fP]"
    yield (".SH DESCRIPTION\nIt exports RBD images and local SSDs to hosts over NVMe/TCP and NVMe/RDMA, and is managed over "
           "JSON\\-RPC.")
    yield ".SH OPTIONS"
    yield from man_options(program["options"])
    yield (".SH \"EXIT STATUS\"\n.TP\n0\nIt was asked to end, and everything was closed.\n.TP\n1\nIt could not start.\n.TP\n2\n"
           "The command line is invalid.\n.TP\n3\nIt was asked to end while calls of the configuration failed.")
    yield ".SH SEE ALSO\n.BR causeway (1),\n.BR causeway\\-rpc (7)"


def man_command(program):
    yield from heading("causeway", 1, program["summary"])
    yield ".SH SYNOPSIS\n.B causeway\n\\fICOMMAND\\fP [\\fIOPTIONS\\fP]"
    yield ".SH COMMANDS"
    for command in program["commands"]:
        summary = command["summary"][:1].upper() + command["summary"][1:]
        yield f'.SS "causeway {command["name"]}"\n{roff(summary)}.'
        yield from man_options(command["options"])
    yield (".SH \"EXIT STATUS\"\n.TP\n0\nSuccess.\n.TP\n1\nThe gateway refused the call or cannot be reached, commands failed, or "
           "data is wrong.\n.TP\n2\nThe command line is invalid.\n.TP\n3\nThere is no connection to a target, or it was lost.")
    yield ".SH SEE ALSO\n.BR causewayd (8),\n.BR causeway\\-rpc (7)"


# ---- Completion.


def words(options):
    return " ".join(name for o in options if not o["is_positional"] for name in o["names"].split(",") if name.startswith("-"))


def completion(everything):
    commands = everything["causeway"]["commands"]
    keys = [f"    [{m['name']}]=\"{' '.join(k + '=' for k, p in with_effect(m['parameters']) if 'members' not in p)}\""
            for m in everything["methods"]]
    options = [f"    [{c['name']}]=\"{words(c['options'])}\"" for c in commands]
    yield textwrap.dedent("""\
        # SPDX-License-Identifier: Apache-2.0
        # Completion of bash for causeway and causewayd. Made of their declarations: see docs/rpc.md.
        """)
    yield "declare -gA _causeway_options=(\n" + "\n".join(options) + "\n)"
    yield "declare -gA _causeway_keys=(\n" + "\n".join(keys) + "\n)\n"
    yield textwrap.dedent("""\
        _causeway() {
            local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} at method=
            # "KEY=" is three words where = separates them.
            [[ $word == = || ${COMP_WORDS[COMP_CWORD - 1]} == = ]] && return
            if ((COMP_CWORD == 1)); then
                COMPREPLY=($(compgen -W "${!_causeway_options[*]} --help --version" -- "$word"))
                return
            fi
            if [[ $word == -* ]]; then
                COMPREPLY=($(compgen -W "${_causeway_options[$command]}" -- "$word"))
                return
            fi
            [[ $command == rpc ]] || return
            for ((at = 2; at < COMP_CWORD; ++at)); do
                [[ -n ${_causeway_keys[${COMP_WORDS[at]}]+x} ]] && method=${COMP_WORDS[at]}
            done
            if [[ -z $method ]]; then
                COMPREPLY=($(compgen -W "${!_causeway_keys[*]}" -- "$word"))
            else
                compopt -o nospace
                COMPREPLY=($(compgen -W "${_causeway_keys[$method]}" -- "$word"))
            fi
        }

        _causewayd() {
            local word=${COMP_WORDS[COMP_CWORD]}
            if [[ $word == -* ]]; then
                COMPREPLY=($(compgen -W "@OPTIONS@" -- "$word"))
            else
                COMPREPLY=($(compgen -f -- "$word"))
            fi
        }

        complete -F _causeway causeway
        complete -F _causewayd causewayd""").replace("@OPTIONS@", words(everything["causewayd"]["options"]))


def documents(everything):
    """Path to text, of all documents."""
    methods = everything["methods"]
    rows = ",\n".join(json.dumps(m, ensure_ascii=False) for m in methods)
    return {
        "docs/rpc.json": f"[\n{rows}\n]\n",
        "docs/rpc.md": "\n".join(markdown(methods)).rstrip("\n") + "\n",
        "docs/events.md": "\n".join(events_markdown(everything["events"])).rstrip("\n") + "\n",
        "docs/man/causeway-rpc.7": "\n".join(man_rpc(methods)) + "\n",
        "docs/man/causewayd.8": "\n".join(man_daemon(everything["causewayd"])) + "\n",
        "docs/man/causeway.1": "\n".join(man_command(everything["causeway"])) + "\n",
        "deploy/completion/causeway": "\n".join(completion(everything)) + "\n",
    }


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    program, root = arguments[0], pathlib.Path(arguments[1])
    printed = subprocess.run([program], stdout=subprocess.PIPE, check=True, text=True).stdout
    stale = []
    for name, text in documents(json.loads(printed)).items():
        path = root / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if "--check" in sys.argv and stale:
        print(f"not current: {', '.join(stale)}: cmake --build --preset release --target documents")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
