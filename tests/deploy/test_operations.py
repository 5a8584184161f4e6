# SPDX-License-Identifier: Apache-2.0
"""docs/operations.md names nothing that the programs do not have: methods, parameters, options, metrics, events, files.
Nor do the commands of the README."""

import json
import re
import shlex
import subprocess

import package_fixture
import pytest
from lab import document, places

TEXT = document.OPERATIONS.read_text()
METHOD = re.compile(r"(nvmf|bdev|framework|keyring|log|rpc|spdk|thread)_\w+")
METRIC = re.compile(r"\b(?:ceph_nvmeof|causeway)_[a-z_]+")
OPTION = re.compile(r"^-{1,2}[a-z][\w-]*$")
SPANS = re.findall(r"`([^`]+)`", TEXT) + [
    command.text for path in (document.OPERATIONS, places.CHECKOUT / "README.md") for command in document.commands(path)]
# Members of answers, which docs/rpc.md describes in words.
ANSWERS = {"hung_calls", "unanswered_changes", "fenced"}
SCORED_BY = "252"
"""The systemd whose score of the service the document gives: others weigh otherwise."""


@pytest.fixture(scope="module", autouse=True)
def built():
    for name in ("gateway/causewayd", "tools/causeway"):
        if not places.binary(name).exists():
            pytest.skip(f"{places.binary(name)} is not built")


def help_of(*words: str) -> str:
    return subprocess.run([places.binary(words[0]), *words[1:], "--help"], capture_output=True, text=True, check=True).stdout


def methods() -> dict[str, dict]:
    return {m["name"]: m for m in json.loads((places.CHECKOUT / "docs/rpc.json").read_text())}


def parameters(declared: list[dict], prefix: str = ""):
    for p in declared:
        yield prefix + p["name"]
        yield from parameters(p.get("members", []), prefix + p["name"] + ".")


def refusal_of_call(words: list[str]) -> str | None:
    """What is wrong with METHOD KEY=VALUE ...; None: nothing."""
    known = methods()
    if words[0] not in known:
        return f"no method {words[0]}"
    names = set(parameters(known[words[0]]["parameters"]))
    required = {p["name"] for p in known[words[0]]["parameters"] if p["required"]}
    given = {word.split("=", 1)[0] for word in words[1:]}
    if given - names:
        return f"{words[0]} has no parameter {given - names}"
    if missing := required - {key.split(".")[0] for key in given}:
        return f"{words[0]} needs {missing}"
    return None


def refusal_of_options(program: str, words: list[str]) -> str | None:
    """What is wrong with the options of causewayd, causeway COMMAND; None: nothing."""
    if program == "causewayd":
        text = help_of("gateway/causewayd")
    else:
        commands = [word for word in words if not word.startswith("-")]
        text = help_of("tools/causeway", *commands[:1])
    names = set(re.findall(r"(?<![\w-])-{1,2}[a-z][\w-]*", text))
    unknown = [word for word in words if OPTION.match(word) and word not in names]
    return f"{program} has no option {unknown}" if unknown else None


def refusal(text: str) -> str | None:
    """What is wrong with a command, or with words in a row of code; None: nothing, or it is not ours."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    if not words:
        return None
    if words[0] == "rpc" and words[1:]:
        return refusal_of_call(words[1:])
    if words[0] == "causeway":
        return refusal_of_options("causeway", words[1:])
    if words[0].startswith("CAUSEWAY_OPTIONS="):
        return refusal_of_options("causewayd", words[0].partition("=")[2].split())
    if len(words) == 1 and METHOD.fullmatch(words[0]):
        return None if words[0] in methods() | dict.fromkeys(ANSWERS) else f"no method {words[0]}"
    return None


def test_each_method_and_option_exists():
    assert len(SPANS) > 100
    assert [why for text in sorted(set(SPANS)) if (why := refusal(text))] == []


def test_single_options_are_causewayds_or_other_programs():
    others = {"--ctrl-loss-tmo"}    # nvme connect
    options = {span for span in SPANS if OPTION.match(span)} | {
        span.split()[0] for span in SPANS if re.match(r"--?\w[\w-]* \w+$", span)}
    assert options
    assert refusal_of_options("causewayd", sorted(options - others)) is None


def test_each_parameter_and_answer_that_it_names_is_declared():
    declared = (places.CHECKOUT / "docs/rpc.md").read_text()
    for name in ("block_size", "min_cntlid", "max_cntlid", "dhchap_key", "dhchap_ctrlr_key", *ANSWERS):
        assert f"`{name}`" in TEXT or f"`{name}=" in TEXT, f"{name}: not in the document any more"
        assert f"`{name}`" in declared or name in ANSWERS
    program = places.binary("gateway/causewayd").read_bytes()
    for name in ANSWERS:
        assert name.encode() in program


def test_each_metric_is_one_of_the_gateways():
    program = places.binary("gateway/causewayd").read_bytes()
    named = set(METRIC.findall(TEXT)) - {"causeway_reservation"}    # an object in Ceph
    assert len(named) > 15
    assert [name for name in sorted(named) if name.encode() + b"\0" not in program] == []


def test_each_event_is_one_of_the_log():
    events = set(re.findall(r"^\| (CW\d{3}) \|", (places.CHECKOUT / "docs/events.md").read_text(), re.M))
    named = set(re.findall(r"\bCW\d{3}\b", TEXT))
    assert named and named <= events


def test_methods_and_events_that_events_md_names_exist():
    text = (places.CHECKOUT / "docs/events.md").read_text()
    known = methods() | dict.fromkeys(ANSWERS)
    for name in re.findall(r"`([a-z_]+)`", text):
        if METHOD.fullmatch(name):
            assert name in known
    events = set(re.findall(r"^\| (CW\d{3}) \|", text, re.M))
    assert set(re.findall(r"\bCW\d{3}\b", text)) <= events


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (document.OPERATIONS.parent / link).exists(), link


def test_the_files_of_the_package_are_where_it_says():
    service = (places.CHECKOUT / "deploy/package/causewayd.service").read_text()
    assert "--state /var/lib/causeway" in package_fixture.line_of(service, "ExecStart")
    assert "-r /run/causeway/rpc.sock" in package_fixture.line_of(service, "ExecStart")
    assert package_fixture.line_of(service, "EnvironmentFile") == "-/etc/default/causeway"
    assert package_fixture.line_of(service, "LimitNOFILE") == "1048576"
    for named in ("/var/lib/causeway", "/run/causeway/rpc.sock", "/etc/default/causeway", "1,048,576"):
        assert named in TEXT


def test_the_exposure_of_the_service_is_what_it_says():
    unit = places.CHECKOUT / "deploy/package/causewayd.service"
    try:
        version = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not installed")
    if version.split()[1] != SCORED_BY:
        pytest.skip(f"{version}: only the systemd of Debian 12, {SCORED_BY}, gives the score of the document")
    said = subprocess.run(["systemd-analyze", "security", "--offline=yes", str(unit)], capture_output=True, text=True)
    level = re.search(r"exposure level for causewayd.service: ([\d.]+) (\w+)", said.stdout)
    assert level, f"no score: {said.stdout}{said.stderr}"
    assert f'says {level[1]} ("{level[2]}")' in TEXT, said.stdout
