# SPDX-License-Identifier: Apache-2.0
"""Commands that a document gives, for tests that run or check them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from . import places

OPERATIONS = places.CHECKOUT / "docs/operations.md"


@dataclass(frozen=True)
class Command:
    """A line of a code block, without its comment."""
    section: str    # the heading above it
    line: int
    text: str


def commands(path: Path = OPERATIONS) -> list[Command]:
    """The lines of indented blocks, in order; one that ends with a backslash goes on in the next."""
    found, section, before = [], "", ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("#"):
            section = line.lstrip("#").strip()
        elif line.startswith("    ") and (before == "" or before.startswith("    ")):
            text = re.sub(r"\s{2,}#.*$", "", line).strip()
            if found and found[-1].text.endswith("\\"):
                before_it = found.pop()
                number, text = before_it.line, before_it.text[:-1] + text
            found.append(Command(section, number, text))
        before = line
    return found


def of_section(section: str, path: Path = OPERATIONS) -> list[str]:
    found = [command.text for command in commands(path) if command.section == section]
    assert found, f"{path}: no commands under '{section}'"
    return found


def capabilities() -> list[str]:
    """What docs/operations.md gives the Ceph user of a gateway: "mon", CAPABILITY, "osd", CAPABILITY."""
    words = shlex.split(of_section("The Ceph user")[0])
    assert words[:4] == ["ceph", "auth", "get-or-create", "client.causeway"]
    return words[4:words.index("-o")]
