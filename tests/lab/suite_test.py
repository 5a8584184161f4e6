# SPDX-License-Identifier: Apache-2.0
"""What `./test` counts: each case once, whoever has reported it. And what it runs in which step."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

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


class steps(unittest.TestCase):
    def test_what_downloads_has_a_step_of_its_own_after_the_guests(self):
        whole = suite.Suite(mock.Mock(), mock.Mock())
        lanes = [mock.Mock(), mock.Mock(), mock.Mock()]
        with (mock.patch.object(suite, "Lane", side_effect=lanes), mock.patch.object(suite.Suite, "pytest_in") as queued,
              mock.patch.multiple(suite.Suite, built=mock.Mock(return_value=True), ctest=mock.DEFAULT, fuzz=mock.DEFAULT,
                                  wait_for=mock.DEFAULT)):
            whole.everything()
        in_guests_lane = [call.args[2:] for call in queued.call_args_list if call.args[0] is lanes[0]]
        self.assertEqual(in_guests_lane, [("guest", suite.GUEST_MINUTES, "tests/vm"),
                                          ("install", suite.DOWNLOADS_MINUTES, suite.DOWNLOADS)])
        natively = [call.args for call in queued.call_args_list if call.args[0] is not lanes[0]]
        self.assertEqual(len(natively), 3)
        for call in natively:
            self.assertIn(f"--ignore={suite.DOWNLOADS}", call)


if __name__ == "__main__":
    unittest.main()
