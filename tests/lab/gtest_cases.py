# SPDX-License-Identifier: Apache-2.0
"""Runs the cases of one GoogleTest program in one process, and reports each of them.

    PYTHONPATH=tests python3 -m lab.gtest_cases REPORT.xml PROGRAM [ARGUMENT ...]

Under a sanitizer the start and the end of a process cost more than most cases take, so ctest starts a program once
there, through this, and not for each case. Nothing is lost by that: a case that ends its process fails by name, and
the cases behind it run in another process; a case that takes too long is ended in the same way; and what the sanitizer
reports when the process ends (a leak) is a failure of its own. REPORT.xml is in JUnit's form, one entry for each case.
"""

import os
import re
import select
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from . import processes, sanitizers

CASE_SECONDS = 300
"""A case that takes longer is ended."""

AT_THE_END = "the_end_of_the_process"
"""The name under which a failure after the last case is reported."""

_LINE = re.compile(r"\[( RUN      |       OK |  FAILED  |  SKIPPED )\] (\w[\w/]*\.[\w/]+)(?: \((\d+) ms\))?")

_OUTCOMES = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


@dataclass
class Case:
    name: str
    outcome: str = "did not run"    # then "passed", "failed", "skipped", or how its process ended
    seconds: float = 0
    output: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return self.outcome not in ("passed", "skipped")


def run(command: list[str], case_seconds: float = CASE_SECONDS) -> list[Case]:
    """Runs all cases that a program lists; `command` is the program and its arguments."""
    cases = {name: Case(name) for name in _listed(command)}
    ends, left = [], list(cases)
    while left:
        chosen = [f"--gtest_filter={':'.join(left)}"] if len(left) < len(cases) else []
        end = _run_once([*command, *chosen], cases, case_seconds)
        if end:
            ends.append(end)
        before, left = left, [name for name in left if cases[name].outcome == "did not run"]
        if left == before:
            break
    return [*cases.values(), *ends]


def _listed(command: list[str]) -> list[str]:
    """The names of the program's cases, less those that are disabled."""
    names, suite = [], ""
    for line in processes.run([*command, "--gtest_list_tests"]).stdout.splitlines():
        word = line.split("#")[0].strip()
        if not line.startswith(" "):
            suite = word
        elif "DISABLED_" not in suite + word:
            names.append(suite + word)
    return names


def _run_once(command: list[str], cases: dict[str, Case], case_seconds: float) -> Case | None:
    """One process, until it ends or a case takes too long. A failure that belongs to no case is returned."""
    ran: list[Case] = []
    running, after = None, []
    with subprocess.Popen([*processes.prefix(), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        for line in _lines(process, case_seconds):
            found = _LINE.search(line)
            kind = found.group(1).strip() if found and found.group(2) in cases else None
            if kind == "RUN":
                running, after = cases[found.group(2)], []
                ran.append(running)
            (running.output if running else after).append(line)
            if running and kind in _OUTCOMES:
                running.outcome = "failed, as a sanitizer says" if _reported(running) else _OUTCOMES[kind]
                running.seconds = int(found.group(3) or 0) / 1000
                running = None
    if running:
        running.outcome = f"its process ended with exit status {process.returncode}"
    elif process.returncode != any(case.failed for case in ran):
        return Case(AT_THE_END, f"exit status {process.returncode}", output=after)
    return None


def _reported(case: Case) -> bool:
    return bool(sanitizers.reports_in("\n".join(case.output)))


def _lines(process: subprocess.Popen, case_seconds: float):
    """A process's lines as they come. It is killed when a case takes too long."""
    rest, end = b"", None
    while True:
        wait = None if end is None else max(0, end - time.monotonic())
        readable, _, _ = select.select([process.stdout], [], [], wait)
        if not readable:
            process.kill()
            yield f"{rest.decode(errors='replace')}\nnot done after {case_seconds} s"
            return
        block = os.read(process.stdout.fileno(), 1 << 16)
        *lines, rest = (rest + block).split(b"\n")
        if any(b"[ RUN      ]" in line for line in lines):
            end = time.monotonic() + case_seconds
        yield from (line.decode(errors="replace") for line in lines)
        if not block:
            yield from [rest.decode(errors="replace")] if rest else []
            return


def write_report(cases: list[Case], report: Path, program: str) -> None:
    suite = ET.Element("testsuite", name=program, tests=str(len(cases)), failures=str(sum(c.failed for c in cases)))
    for case in cases:
        group, _, name = case.name.rpartition(".")
        entry = ET.SubElement(suite, "testcase", classname=group or program, name=name, time=f"{case.seconds:.3f}")
        if case.failed:
            ET.SubElement(entry, "failure", message=case.outcome)
        elif case.outcome == "skipped":
            ET.SubElement(entry, "skipped")
    report.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(suite).write(report)


def main(report: str, *command: str) -> int:
    Path(report).unlink(missing_ok=True)    # an old one says nothing of this run
    cases = run(list(command))
    program = Path(command[0]).name
    write_report(cases, Path(report), program)
    failed = [case for case in cases if case.failed]
    for case in failed:
        print(f"---- {program}/{case.name}: {case.outcome}", *case.output, sep="\n")
    for case in failed:
        print(f"FAILED {program}/{case.name}: {case.outcome}")
    print(f"{program}: {len(cases)} cases, {len(failed)} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
