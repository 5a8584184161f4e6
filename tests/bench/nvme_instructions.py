#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions of our NVMe driver for one 4 KiB read, submission and completion together: against a controller in memory, by
callgrind. Two runs that differ in nothing but the number of reads are subtracted.

    nvme_instructions.py [--build BUILD] [--depth N …]
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import callgrind

FEW, MANY = 20_000, 60_000
PARTS = {"the driver": r"^causeway::bdev_nvme::(?!testing)", "the devices' contract: start, checks, statistics": r"^causeway::bdev::",
         "the model": r"^causeway::bdev_nvme::testing"}


def run(build: Path, depth: int, ios: int, profile: Path) -> Counter:
    program = build / "tests/bench/nvme_model_bench"
    subprocess.run([*callgrind.words(profile), program, "--depth", str(depth), "--ios", str(ios)], check=True,
                   stdout=subprocess.DEVNULL)
    return callgrind.counted(profile)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", type=Path, default=Path("build/release"))
    arguments.add_argument("--depth", type=int, nargs="+", default=[1, 32, 128])
    options = arguments.parse_args()
    for depth in options.depth:
        with tempfile.TemporaryDirectory() as folder:
            less, more = (run(options.build, depth, n, Path(folder) / str(n)) for n in (FEW, MANY))
        each = callgrind.per_command(FEW, less, MANY, more)
        print(f"depth {depth}: instructions per 4 KiB read")
        for part, pattern in PARTS.items():
            print(f"{sum(n for (_, function), n in each.items() if re.search(pattern, function)):9.1f}  {part}")
        ours: Counter = Counter()    # by name: what is inlined from a header comes as a line of its own
        for (_, function), n in each.items():
            if re.search(PARTS["the driver"], function):
                ours[re.sub("[(].*", "", function)] += n
        for function, n in ours.most_common(6):
            print(f"    {n:9.1f}  {function}")


if __name__ == "__main__":
    main()
