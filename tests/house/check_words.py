#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the words and the READMEs of the tree.

    check_words.py ROOT            no identifier that docs/glossary.md calls former, no unfinished work, a license in each source
    check_words.py ROOT --files    every file is named in the README of its folder

Prints a line for each offence, "file:line: why", and ends with 1 if there are any.
"""

import argparse
import fnmatch
import re
import sys
from dataclasses import dataclass
from pathlib import Path

GLOSSARY = "docs/glossary.md"
FORMER_TABLE = "## Former identifiers"
FORMER_ROW = re.compile(r"^\| `(\w+)(…?)` \| (.+) \|$", re.M)
ALLOWED = {"least_loaded"}  # the value of --placement

SOURCES = {".h", ".cc", ".py", ".sh", ".c"}
LICENSE = "SPDX-License-Identifier: Apache-2.0"  # the line that each source begins with; empty: none is asked for
SKIP = {"build", "docs", "cmake"}
UNNAMED = {"README.md", "CMakeLists.txt", "conftest.py"}
UNFINISHED = re.compile("|".join(("TO" "DO", "FIX" "ME")))

COMMENT_OR_TEXT = re.compile(r'''//[^\n]*|/\*.*?\*/|R"([^()\\\s]{0,16})\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"''', re.S)
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
TEST_NAME = re.compile(r"^\s*TEST\w*\(.*$", re.M)


def files(root: Path):
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name.split("/")[0] not in SKIP and "/." not in "/" + name and "__pycache__" not in name:
            yield path, name


@dataclass(frozen=True)
class Former:
    """Identifiers that are not used any more, and what they are called now."""
    names: dict[str, str]
    beginnings: dict[str, str]

    def now(self, identifier: str) -> str | None:
        if identifier in ALLOWED:
            return None
        by_beginning = (to for beginning, to in self.beginnings.items() if identifier.startswith(beginning))
        return self.names.get(identifier) or next(by_beginning, None)


def former_identifiers(glossary: str) -> Former:
    """The last table of docs/glossary.md."""
    _, _, table = glossary.partition(FORMER_TABLE)
    rows = FORMER_ROW.findall(table)
    return Former({name: now for name, more, now in rows if not more}, {name: now for name, more, now in rows if more})


def blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match.group(0))


def check_identifiers(name: str, text: str, former: Former) -> list[str]:
    if not name.endswith((".h", ".cc")):
        return []
    code = TEST_NAME.sub(blank, COMMENT_OR_TEXT.sub(blank, text))
    offences = []
    for match in IDENTIFIER.finditer(code):
        word = match.group(0)
        if now := former.now(word):
            line = code.count("\n", 0, match.start()) + 1
            offences.append(f"{name}:{line}: {word} is called {now} now ({GLOSSARY})")
    return offences


def check_unfinished(name: str, text: str) -> list[str]:
    if name.startswith("tests/house/"):  # the checks themselves name what they look for
        return []
    return [f"{name}:{number}: unfinished work" for number, line in enumerate(text.splitlines(), 1) if UNFINISHED.search(line)]


def check_license(name: str, text: str) -> list[str]:
    """Among the first lines: a script begins with its interpreter."""
    return [] if not LICENSE or not text or LICENSE in "\n".join(text.split("\n")[:2]) else [f"{name}:1: no {LICENSE}"]


def check_words(root: Path) -> list[str]:
    former = former_identifiers((root / GLOSSARY).read_text())
    if not former.names or not former.beginnings:
        return [f"{GLOSSARY}:1: has no table \"{FORMER_TABLE}\""]
    offences = []
    for path, name in files(root):
        if path.suffix in SOURCES:
            text = path.read_text(errors="replace")
            offences += check_identifiers(name, text, former) + check_unfinished(name, text) + check_license(name, text)
    return offences


def named(readme: str, file: str) -> bool:
    """Whether a README names a file: as a whole, without its extension, or by a pattern (`cases_*.cc`)."""
    stem = file.rsplit(".", 1)[0]
    for words in re.findall(r"`([^`\n]+)`", readme) + re.findall(r"^ {4}(.*)$", readme, re.M):
        for word in re.split(r"[\s,()\[\]]+", words):
            word = word.rstrip(".:;").split("/")[-1]
            if word in (file, stem) or ("*" in word and (fnmatch.fnmatch(file, word) or fnmatch.fnmatch(stem, word))):
                return True
    return False


def check_files(root: Path) -> list[str]:
    """A test beside its file, `x_test.cc`, need not be named; a folder without a README is described in its parent's."""
    offences = []
    for path, name in files(root):
        folder = path.parent
        if folder == root or path.name in UNNAMED or path.suffix not in SOURCES or path.stem.endswith("_test"):
            continue
        readme = folder / "README.md"
        if not readme.is_file():
            readme = folder.parent / "README.md"
        if not readme.is_file() or not named(readme.read_text(), path.name):
            if readme.parent != folder and readme.is_file() and f"{folder.name}/" in readme.read_text():
                continue
            offences.append(f"{name}:1: not named in {readme.relative_to(root).as_posix()}")
    return offences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--files", action="store_true")
    arguments = parser.parse_args()
    offences = (check_files if arguments.files else check_words)(arguments.root)
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
