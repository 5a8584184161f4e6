#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that tests can fail: breaks the gateway in many ways, one at a time, and runs what should notice it.

    break_it.py [--only WORD] [--kind simulation|suite|hosts] [--seeds N]
    break_it.py --check     changes nothing: looks whether each place to break is still there

Works in a copy of the last commit, in a folder of its own that goes when it ends. Ends with 1 if a break was not
noticed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import hosts
import simulation
import suite

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=1000, help="of the simulation")
    parser.add_argument("--only", default="", help="breaks whose description has this word")
    parser.add_argument("--kind", choices=["simulation", "suite", "hosts"])
    parser.add_argument("--check", action="store_true")
    wanted = parser.parse_args()
    if wanted.check:
        return check()
    missed = 0
    with tempfile.TemporaryDirectory(prefix="break-it-") as scratch:
        copy = Path(scratch)
        archive = subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", copy], input=archive, check=True)
        for kind, what, file, old, new, preset, target, command in breaks(wanted.seeds):
            if wanted.only not in what or wanted.kind not in (None, kind):
                continue
            path = copy / file
            sound = path.read_text()
            if sound.count(old) != 1:
                print(f"??  {what}: the place in {file} is not there any more", flush=True)
                missed += 1
                continue
            if not (copy / "build" / preset).exists():
                run(["cmake", "--preset", preset], copy)
                if not build(copy, preset, target):
                    print(f"{target} does not build unbroken, {preset}", file=sys.stderr)
                    return 1
            broken = sound.replace(old, new)
            path.write_text("#include <algorithm>\n#include <vector>\n" + broken if path.suffix == ".cc" else broken)
            said = outcome(copy, command) if build(copy, preset, target) else "!!  does not build"
            path.write_text(sound)
            os.utime(path)
            missed += not said.startswith("ok")
            print(f"{said[:3]} {what}\n        {said[3:].strip()}", flush=True)
    return 1 if missed else 0


def breaks(seeds: int):
    """All of them: kind, what, file, old text, new text, preset, target to build, command that should fail."""
    for each in simulation.BREAKS:
        run = ["build/release/tests/simulation/simulation_run", "--seeds", str(seeds)]
        yield "simulation", *each, "release", "simulation_run", run
    for kind, all_of_it in (("suite", suite.BREAKS), ("hosts", hosts.BREAKS)):
        for *what, preset, target, test in all_of_it:
            native = ["/usr/bin/python3", "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-k", preset, test]
            yield kind, *what, preset, target, (native if test.startswith("tests/")
                                                else [f"build/{preset}/{target}", f"--gtest_filter={test}"])


def check() -> int:
    gone = [what for _, what, file, old, *_ in breaks(0)
            if not (ROOT / file).is_file() or (ROOT / file).read_text().count(old) != 1]
    for what in gone:
        print(f"the place to break is not there any more: {what}")
    return 1 if gone else 0


def run(command, copy):
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, errors="replace")


def build(copy, preset, target) -> bool:
    return run(["ninja", "-C", f"build/{preset}", "-j2", target], copy).returncode == 0


def outcome(copy, command) -> str:
    """"ok" if it noticed, and the first line that says so."""
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, errors="replace", timeout=SECONDS,
                              env={**os.environ, "PYTHONPATH": "tests"})
    except subprocess.TimeoutExpired:
        return "ok  it never ends"
    lines = (done.stderr + done.stdout).splitlines()
    signs = ("seed", "[  FAILED  ]", "ERROR: AddressSanitizer", "WARNING: ThreadSanitizer")
    telling = [line for line in lines if line.startswith("FAILED") or any(sign in line for sign in signs)]
    if done.returncode == 0:
        return f"!!  not noticed: {(lines or ['?'])[-1][:150]}"
    return f"ok  {(telling or lines or ['?'])[0][:150]}"


if __name__ == "__main__":
    sys.exit(main())
