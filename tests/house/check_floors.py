#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the floors of the house: a folder includes what stands below it, and nothing else.

    check_floors.py ROOT            every include of every folder
    check_floors.py ROOT --readmes  every folder with sources says what it is

Prints a line for each offence, "file:line: why", and ends with 1 if there are any.
"""

import argparse
import re
import sys
from pathlib import Path

# Who may include whom, bottom up. A floor may always include itself. "wire/*" is all of wire, "*" is everything. A floor
# is a folder, except that nvmf/ has five.
MAY_INCLUDE = {
    "core": set(),
    "nvme": set(),
    "wire/auth": {"core", "nvme"},
    "wire/tcp": {"core", "nvme"},
    "wire/tls": {"core", "nvme", "wire/auth", "wire/tcp"},
    "net": {"core"},
    "ceph": {"core"},
    "bdev": {"core", "nvme"},
    "bdev_rbd": {"core", "nvme", "ceph", "bdev"},
    "bdev_nvme": {"core", "nvme", "bdev"},
    "nvmf seam": {"core", "nvme", "bdev"},
    "nvmf/reservation": {"core", "nvme", "bdev", "nvmf seam"},
    "nvmf/model": {"core", "nvme", "wire/auth", "bdev", "nvmf seam", "nvmf/reservation"},
    "nvmf/command": {"core", "nvme", "wire/auth", "bdev", "nvmf seam", "nvmf/reservation", "nvmf/model"},
    "nvmf": {"core", "nvme", "wire/auth", "bdev", "nvmf seam", "nvmf/reservation", "nvmf/model", "nvmf/command"},
    "transport/common": {"core", "nvme", "nvmf"},
    "transport/ip": {"core", "nvme", "nvmf"},
    "transport/loop": {"core", "nvme", "nvmf"},
    "transport/rdma": {"core", "nvme", "nvmf", "transport/common", "transport/ip"},
    "transport/tcp": {"core", "nvme", "nvmf", "transport/common", "transport/ip", "wire/*"},
    "rpc": {"core", "nvme", "net", "wire/auth", "ceph", "bdev", "bdev_rbd", "bdev_nvme", "nvmf", "nvmf/model"},
    "metrics": {"core", "nvme", "ceph", "bdev", "bdev_rbd", "nvmf", "nvmf/model"},
    "host": {"core", "nvme", "wire/*"},
    "host/loop": {"core", "nvme", "nvmf seam", "transport/loop", "host"},
    "tools": {"core", "nvme", "ceph", "host"},
    "gateway": {"*"},
    "tests": {"*"},
}

# The seam between a transport and the target stands in nvmf/, below the model. Whoever may include nvmf may include it.
SEAM = re.compile(r"nvmf/((transport|transport_options|request|qpair|port)\.(h|cc)|(complete|core_counters|host_addresses|host_network|target_side|verdict)\.h)$")

# Headers of other people's parts, and the folders that are there to know of them.
FOREIGN = [
    (r"infiniband/|rdma/", {"transport/rdma", "host"}),
    (r"rados/", {"ceph", "bdev_rbd"}),
    (r"rbd/", {"bdev_rbd"}),
    (r"linux/vfio\.h|linux/pci_regs\.h|rte_(bus_)?pci|rte_vfio", {"core", "bdev_nvme"}),
    (r"rte_", {"core", "bdev_nvme", "gateway"}),
    (r"prometheus/", {"metrics"}),
    (r"openssl/", {"wire/auth", "wire/tls"}),
    (r"sys/socket\.h|sys/un\.h|netinet/|arpa/inet\.h|netdb\.h|net/if",
     {"wire/tcp", "wire/tls", "net", "transport/ip", "transport/rdma", "transport/tcp", "host", "tools", "gateway"}),
]

# Headers that a folder keeps to itself, and the folders that may include them. This holds for tests beside the sources, too.
INTERNAL = {
    "nvmf/target_side.h": {"nvmf", "tests"},
}

# Programs beside the files they test, and what only they include, may use any floor.
FREE = re.compile(r"_(test|bench|fuzz)\.(cc|h)$|(^|/)(testing/|test_[^/]*\.h$)")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCES = {".h", ".cc"}
SKIP = {"build", "docs", "deploy", "cmake"}


def floor_of(path: str) -> str | None:
    """The floor that a path relative to the root stands on."""
    if SEAM.match(path):
        return "nvmf seam"
    parts = Path(path).parts
    return "/".join(parts[:2]) if len(parts) > 2 and parts[0] == "nvmf" and parts[1] != "testing" else folder_of(path)


def folder_of(path: str) -> str | None:
    """The folder of the house that a path relative to the root stands in: one that has a README of its own."""
    parts = Path(path).parts
    if len(parts) < 2:
        return None
    nested = "/".join(parts[:2])
    return nested if nested in MAY_INCLUDE and parts[0] != "nvmf" else parts[0]


def sources(root: Path):
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        top = relative.parts[0]
        if path.suffix in SOURCES and top not in SKIP and not top.startswith("."):
            yield path, relative.as_posix()


def allowed(floor: str, target: str) -> bool:
    may = MAY_INCLUDE[floor]
    return (target == floor or not may.isdisjoint({"*", target, f"{target.split('/')[0]}/*"}) or
            target == "nvmf seam" and "nvmf" in may)


def offences_of_line(floor: str, line: str):
    match = INCLUDE.match(line)
    if not match:
        return
    quoted, name = match.group(1) == '"', match.group(2)
    if quoted:
        target = floor_of(name)
        if target is None:
            yield f'"{name}" is not written from the root of the project'
        elif target not in MAY_INCLUDE:
            yield f'"{name}" stands in no folder of the house'
        elif not allowed(floor, target):
            yield f'{floor} must not include {target} ("{name}")'
        return
    for pattern, owners in FOREIGN:
        if re.match(pattern, name):
            if floor not in owners and "*" not in MAY_INCLUDE[floor]:
                yield f"{floor} must not include <{name}>; only {', '.join(sorted(owners))} may"
            return


def offences_with_internals(folder: str, line: str):
    match = INCLUDE.match(line)
    owners = INTERNAL.get(match.group(2)) if match else None
    if owners and folder not in owners:
        yield f'"{match.group(2)}" is internal: only {", ".join(sorted(owners))} may include it'


def check_includes(root: Path) -> list[str]:
    offences = []
    for path, name in sources(root):
        floor = floor_of(name)
        if floor not in MAY_INCLUDE:
            offences.append(f"{name}:1: stands in no folder of the house")
            continue
        free = FREE.search(name)
        lines = path.read_text(errors="replace").splitlines()
        if path.suffix == ".h" and not any(line.strip() == "#pragma once" for line in lines):
            offences.append(f"{name}:1: no #pragma once")
        for number, line in enumerate(lines, 1):
            whys = [] if free else list(offences_of_line(floor, line))
            whys += offences_with_internals(folder_of(name), line)
            offences += [f"{name}:{number}: {why}" for why in whys]
    return offences


def check_readmes(root: Path) -> list[str]:
    folders = {folder_of(name) for _, name in sources(root)} - {None, "tests"}
    folders |= {Path(name).parent.as_posix() for _, name in sources(root) if name.startswith("tests/")}
    return [f"{folder}:1: has sources and no README.md" for folder in sorted(folders)
            if not (root / folder / "README.md").is_file()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--readmes", action="store_true")
    arguments = parser.parse_args()
    offences = (check_readmes if arguments.readmes else check_includes)(arguments.root)
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
