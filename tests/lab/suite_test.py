# SPDX-License-Identifier: Apache-2.0
"""What `./test` counts: each case once, whoever has reported it."""

import tempfile
import unittest
from pathlib import Path

from . import suite

PASSED, FAILED, SKIPPED = "", "<failure/>", "<skipped/>"

ROWS = [
    ("cases of ctest's own", {"a/x": PASSED, "a/y": FAILED, "a/z": SKIPPED}, {}, (1, 1, 1), ["a/y"]),
    ("a program's cases instead of the program", {"a": PASSED}, {"a": {"x": PASSED, "y": SKIPPED}}, (1, 0, 1), []),
    ("a program that failed by one case", {"a": FAILED}, {"a": {"x": PASSED, "y": FAILED}}, (1, 1, 0), ["a/y"]),
    ("a program that failed and does not say by which", {"a": FAILED}, {"a": {"x": PASSED}}, (1, 1, 0), ["a"]),
    ("a program that never came to report", {"a": FAILED, "b": PASSED}, {}, (1, 1, 0), ["a"]),
    ("a name with a folder in it", {"a/b": FAILED}, {"a/b": {"x": FAILED, "y": FAILED}}, (0, 2, 0), ["a/b/x", "a/b/y"]),
]


def write(path: Path, cases: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = "".join(f'<testcase name="{name}">{outcome}</testcase>' for name, outcome in cases.items())
    path.write_text(f"<testsuite>{entries}</testsuite>")
    return path


class counts(unittest.TestCase):
    def test_rows(self):
        for sentence, of_ctest, of_programs, expected, failures in ROWS:
            with self.subTest(sentence), tempfile.TemporaryDirectory() as folder:
                cases = Path(folder) / "cases"
                for program, its in of_programs.items():
                    write(cases / f"{program}.xml", its)
                seen = suite.read_report(write(Path(folder) / "ctest.xml", of_ctest), cases)
                self.assertEqual((seen.passed, seen.failed, seen.skipped), expected)
                self.assertEqual(seen.failures, failures)


if __name__ == "__main__":
    unittest.main()
