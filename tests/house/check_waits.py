#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps loops away that wait for our own state by looking at it again after a sleep.

    check_waits.py ROOT

A state of ours has somebody who changes it, and that one can wake who waits: by a core::event, condition_variable, gate or async_mutex,
by a message or a descriptor. What may sleep all the same stands in ALLOWED, with the reason. Prints a line for each offence,
"file:line: why", and ends with 1 if there are any.
"""

import argparse
import re
import sys
from pathlib import Path

# How many sleeps a file may have, and why.
ALLOWED = {
    "core/clock.cc": (1, "two readings of the TSC, so far apart that they tell its frequency"),
    "core/task.h": (1, "sleep_for itself"),
    "bdev_nvme/enable.cc": (2, "a controller's registers: CSTS comes without an interrupt"),
    "bdev_nvme/controller_events.cc": (1, "a pause, or a controller that has events for ever would keep a core busy"),
    "bdev_rbd/rbd_device_fence.cc": (1, "I/O that threads of librbd end, once for each fence"),
    "host/controller.cc": (1, "CSTS of a controller at the other end of a fabric: NVMe over Fabrics has no event for it"),
    "host/loop/host_controller.cc": (1, "likewise"),
    "tools/main.cc": (1, "the period of a display, as the user has asked"),
}

# Not the product: unit tests, benchmarks, and what only they include.
FREE = re.compile(r"^tests/|_(test|bench|fuzz|fixture)\.(cc|h)$|(^|/)(testing/|test_[^/]*$)")

SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(")
COMMENT = re.compile(r"//.*")
SKIP = {"build", "docs", "deploy", "cmake"}


def sources(root: Path):
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.suffix in {".h", ".cc"} and name.parts[0] not in SKIP and not name.parts[0].startswith("."):
            yield path, name.as_posix()


def sleeps_of(text: str) -> list[int]:
    """The numbers of the lines that sleep, one for each sleep."""
    return [number for number, line in enumerate(text.splitlines(), 1)
            for _ in SLEEP.finditer(COMMENT.sub("", line))]


def check(root: Path, allowed: dict[str, tuple[int, str]]) -> list[str]:
    offences = []
    seen = set()
    for path, name in sources(root):
        if FREE.search(name):
            continue
        sleeps = sleeps_of(path.read_text(errors="replace"))
        most, why = allowed.get(name, (0, ""))
        seen.add(name)
        if len(sleeps) > most:
            offences += [f"{name}:{number}: sleeps; wait for an event, a condition_variable or a gate instead, or give "
                         f"the reason in ALLOWED of tests/house/check_waits.py" for number in sleeps]
        elif len(sleeps) < most:
            offences.append(f"{name}:1: sleeps less often than tests/house/check_waits.py allows ({why})")
    offences += [f"{name}:1: is not there any more; take it out of ALLOWED of tests/house/check_waits.py"
                 for name in sorted(set(allowed) - seen)]
    return offences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    offences = check(parser.parse_args().root, ALLOWED)
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
