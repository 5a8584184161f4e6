#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the format of the sources: what clang-format does, and no line beyond 120 columns.

    check_format.py ROOT

Prints a line for each offence, "file:line: why", and ends with 1 if there are any.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FORMATTER = "clang-format-16"
COLUMNS = 120
SKIP = {"build", "docs"}


def sources(root: Path):
    for folder, folders, names in os.walk(root):
        at = Path(folder)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (at != root or f not in SKIP))
        yield from ((at / name).relative_to(root).as_posix() for name in sorted(names) if name.endswith((".cc", ".h")))


def long_lines(root: Path, name: str) -> list[str]:
    """A text that must not be broken, such as JSON, may be longer."""
    lines = (root / name).read_text(errors="replace").splitlines()
    return [f"{name}:{number}: longer than {COLUMNS} columns" for number, line in enumerate(lines, 1)
            if len(line) > COLUMNS and '"' not in line]


def unformatted(root: Path, names: list[str]) -> list[str]:
    """What the formatter would change, in its words."""
    def ask(some: list[str]) -> list[str]:
        said = subprocess.run([FORMATTER, "--dry-run", *some], cwd=root, capture_output=True, text=True, check=True).stderr
        return [line.replace("warning: code should be clang-formatted", f"{FORMATTER} -i would change it")
                for line in said.splitlines() if "clang-formatted" in line]

    pieces = [names[at:at + 40] for at in range(0, len(names), 40)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [line for lines in pool.map(ask, pieces) for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    root = parser.parse_args().root
    names = list(sources(root))
    offences = [offence for name in names for offence in long_lines(root, name)]
    try:
        offences += unformatted(root, names)
    except FileNotFoundError:
        offences.append(f"{FORMATTER} is not installed: run deploy/install-deps.sh")
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
