#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks of words and READMEs can fail: small trees with one fault each."""

import unittest
from pathlib import Path

import check_words
from check_floors_test import house

GLOSSARY = """
| term | formerly |
|---|---|
| not in the table | `other_name` |

## Former identifiers

| formerly | now |
|---|---|
| `name_space` | `nvm_namespace` |
| `least_…` | `min_…` |
| `most_…` | `max_…` |
"""

WORDS = [
    ("a former name is found", "core/a.cc", "int name_space;", 1),
    ("and a former beginning of names", "core/a.cc", "int most_bytes, least_bytes;", 2),
    ("only the last table of the glossary counts", "core/a.cc", "int other_name;", 0),
    ("but not within another name", "core/a.cc", "int my_name_space;", 0),
    ("nor in a comment", "core/a.cc", "// name_space", 0),
    ("nor in a text", "core/a.cc", 'const char* s = "name_space";', 0),
    ("nor in the name of a test", "core/a_test.cc", "TEST(a, most_of_it_works) {", 0),
    ("the name of a policy stays", "core/a.cc", "enum { least_loaded };", 0),
    ("unfinished work is found", "tools/a.py", "# TO" "DO: more", 1),
]

FILES = [
    ("a file is named", "core/a.cc", "| `a.cc` | b |", 0),
    ("or by its stem", "core/a.cc", "| `a`, `b` | c |", 0),
    ("or by a pattern", "core/cases_a.cc", "| `cases_*.cc` | c |", 0),
    ("or in an example", "core/a.py", "    core/a.py --all", 0),
    ("otherwise it is missing", "core/a.cc", "| `b.cc` | a |", 1),
    ("a longer name does not count", "core/a.cc", "| `aa.cc` | a |", 1),
    ("a test stands beside its file", "core/a_test.cc", "", 0),
    ("a folder may be described by its parent", "core/testing/a.h", "| `testing/` | tests |", 0),
]


def tree(name: str, text: str):
    return house({name: f"// {check_words.LICENSE}\n{text}", check_words.GLOSSARY: GLOSSARY})


class words(unittest.TestCase):
    def test_words(self):
        for sentence, name, text, offences in WORDS:
            with self.subTest(sentence), tree(name, text) as root:
                self.assertEqual(len(check_words.check_words(Path(root))), offences)

    def test_files(self):
        for sentence, name, readme, offences in FILES:
            with self.subTest(sentence), house({name: "", "core/README.md": readme}) as root:
                self.assertEqual(len(check_words.check_files(Path(root))), offences)

    def test_an_offence_says_where(self):
        with tree("core/a.cc", "int name_space;\n") as root:
            (offence,) = check_words.check_words(Path(root))
            self.assertTrue(offence.startswith("core/a.cc:2: name_space"), offence)

    def test_a_glossary_without_the_table_is_an_offence(self):
        with house({check_words.GLOSSARY: "# Glossary\n"}) as root:
            self.assertEqual(len(check_words.check_words(Path(root))), 1)


if __name__ == "__main__":
    unittest.main()
