# SPDX-License-Identifier: Apache-2.0
"""Instructions of causewayd, counted by callgrind and told apart: two runs that differ in nothing but the number of
commands are subtracted, so that starting, connecting and ending drop out."""

import re
import subprocess
from collections import Counter
from pathlib import Path

# As in instructions.sh: "rep stosb" counts as thousands of instructions; the vector loop in its place can be counted.
COUNTABLE = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_stosb_threshold=1048576:glibc.cpu.x86_rep_movsb_threshold=1048576"}
"""For the environment of what is counted."""

DATA = "data"
"""The part that zeroes and copies."""


def words(profile: Path) -> list[str]:
    """What stands before a command that is to be counted."""
    return ["valgrind", "--quiet", "--tool=callgrind", "--trace-children=no", f"--callgrind-out-file={profile}"]


def counted(profile: Path) -> Counter:
    """Instructions by (object, function)."""
    table = subprocess.run(["callgrind_annotate", "--auto=no", "--threshold=100", "--show-percs=no", str(profile)],
                           capture_output=True, text=True, check=True).stdout
    found: Counter = Counter()
    # "1,020,156  FILE:causeway::rdma::poll_group::poll(unsigned int) [OBJECT]"
    for count, function, file in re.findall(r"^ *([\d,]+) +\S*?:(.*?)(?: \[(/[^\]]*)\])?$", table, re.M):
        found[Path(file).name, function] += int(count.replace(",", ""))
    return found


def per_command(few: int, less: Counter, many: int, more: Counter) -> dict[tuple[str, str], float]:
    return {key: (more[key] - less[key]) / (many - few) for key in more.keys() | less.keys()}


def part_of(file: str, function: str, parts: dict[str, str], names: dict[str, str]) -> str:
    """By object file; callgrind_annotate names none for what a header's code is in, so then by name."""
    if re.match(r"_*(mem(set|cpy|move))", function):
        return DATA
    if not file:
        file = next((part for part, pattern in names.items() if re.search(pattern, function)), "")
    return next((part for part in parts if file.startswith(part)), file)


def report(each: dict[tuple[str, str], float], parts: dict[str, str], names: dict[str, str], functions: int) -> None:
    """A line for each part, and for the costliest functions of Causeway's own."""
    sums: Counter = Counter()
    ours: Counter = Counter()    # by name: what is inlined from a header comes as a line of its own
    for (file, function), n in each.items():
        part = part_of(file, function, parts, names)
        sums[part] += n
        if part == "causewayd":
            ours[re.sub(r"[(].*", "", function.replace("(anonymous namespace)::", ""))] += n
    for part in [*parts, *(p for p in sums if p not in parts and abs(sums[p]) >= 1)]:
        print(f"{sums[part]:9.1f}  {parts.get(part, part or 'unknown')}")
    print(f"{sums.total():9.1f}  all")
    for function, n in ours.most_common(functions):
        print(f"    {n:9.1f}  {function}")
