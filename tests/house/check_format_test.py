#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The check of the format can fail: a small tree with one fault each."""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent

ROWS = [
    ("a file as it should be", "core/a.cc", "int f();\n", 0),
    ("no line is too long", "core/a.cc", "// " + "word " * 24 + "\n", 1),
    ("but a text may be", "core/a.cc", 'const char* const a =\n    R"(' + "x" * 120 + ')";\n', 0),
    ("the format is the formatter's", "core/a.cc", "int  f( ) ;\n", 1),
    ("built files are not checked", "build/a.cc", "int  f( ) ;\n", 0),
]


class format_check(unittest.TestCase):
    def test_rows(self):
        for sentence, name, text, offence in ROWS:
            with self.subTest(sentence), tempfile.TemporaryDirectory() as root:
                shutil.copy(HERE.parents[1] / ".clang-format", root)
                path = Path(root) / name
                path.parent.mkdir(parents=True)
                path.write_text(text)
                done = subprocess.run([sys.executable, HERE / "check_format.py", root], capture_output=True, text=True)
                self.assertEqual(done.returncode, offence, done.stdout + done.stderr)
                self.assertEqual(done.stdout.startswith(f"{name}:"), bool(offence), done.stdout)


if __name__ == "__main__":
    unittest.main()
