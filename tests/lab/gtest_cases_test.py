# SPDX-License-Identifier: Apache-2.0
"""No case of a program is lost, however its process ends: programs that behave like GoogleTest's, one fault each."""

import contextlib
import io
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

from . import gtest_cases

PROGRAM = """#!{python}
import os, sys, time
plan, at_the_end, FAILED = {plan!r}, {at_the_end}, {failed!r}
names = [f"s.{{name}}" for name in plan]
word = next((a for a in sys.argv if a.startswith("--gtest_filter=")), None)
if "--gtest_list_tests" in sys.argv:
    print("s.", *(f"  {{n}}  # GetParam() = 1" for n in plan), "  DISABLED_x", sep="\\n")
    sys.exit(0)
chosen = word.partition("=")[2].split(":") if word else names
if {at_the_start} and not word:
    sys.exit({at_the_start})
for name in chosen:
    action = plan[name.partition(".")[2]]
    print(f"[ RUN      ] {{name}}", flush=True)
    if action == "exit":
        print("its last words", flush=True)
        os._exit(0)
    if action == "abort":
        os.abort()
    if action == "hang":
        time.sleep(60)
    if action == "race":
        print("WARNING: ThreadSanitizer: data race")
        action = {passed!r}
    print(f"noise without an end of line[{{action}}] {{name}} (12 ms)", flush=True)
if at_the_end:
    print("what leaked")
sys.exit(at_the_end or any(plan[n.partition(".")[2]] == FAILED for n in chosen))
"""

OK, FAILED, SKIPPED = "       OK ", "  FAILED  ", "  SKIPPED "

ROWS = [
    ("all pass", {"a": OK, "b": OK}, {}, {"a": "passed", "b": "passed"}),
    ("one fails and one is skipped", {"a": FAILED, "b": SKIPPED}, {}, {"a": "failed", "b": "skipped"}),
    ("one aborts: the others run all the same", {"a": OK, "b": "abort", "c": OK}, {},
     {"a": "passed", "b": "its process ended with exit status -6", "c": "passed"}),
    ("two abort, the last one too", {"a": "abort", "b": OK, "c": "abort"}, {},
     {"a": "its process ended with exit status -6", "b": "passed", "c": "its process ended with exit status -6"}),
    ("one ends its process as if all were well", {"a": "exit", "b": OK}, {},
     {"a": "its process ended with exit status 0", "b": "passed"}),
    ("one hangs", {"a": "hang", "b": OK}, {}, {"a": "its process ended with exit status -9", "b": "passed"}),
    ("a sanitizer reports a race, and the case goes on", {"a": "race", "b": OK}, {"at_the_end": 66},
     {"a": "failed, as a sanitizer says", "b": "passed", gtest_cases.AT_THE_END: "exit status 66"}),
    ("a leak is reported at the end", {"a": OK}, {"at_the_end": 23},
     {"a": "passed", gtest_cases.AT_THE_END: "exit status 23"}),
    ("one fails, and something leaks", {"a": FAILED}, {"at_the_end": 23},
     {"a": "failed", gtest_cases.AT_THE_END: "exit status 23"}),
    ("a program that ends before its first case", {"a": OK, "b": OK}, {"at_the_start": 3},
     {"a": "did not run", "b": "did not run", gtest_cases.AT_THE_END: "exit status 3"}),
]


@contextlib.contextmanager
def program(plan: dict[str, str], at_the_end: int = 0, at_the_start: int = 0):
    """A program whose cases do what the plan says: print a line, or end the process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan_test"
        path.write_text(PROGRAM.format(python=sys.executable, plan=plan, at_the_end=at_the_end,
                                       at_the_start=at_the_start, passed=OK, failed=FAILED))
        os.chmod(path, 0o755)
        yield path


class cases(unittest.TestCase):
    def test_rows(self):
        for sentence, plan, ends, expected in ROWS:
            with self.subTest(sentence), program(plan, **ends) as path:
                seen = gtest_cases.run([str(path)], 0.5 if "hang" in plan.values() else gtest_cases.CASE_SECONDS)
                self.assertEqual({case.name.removeprefix("s."): case.outcome for case in seen}, expected)

    def test_the_output_is_the_failing_case_s(self):
        with program({"a": OK, "b": "exit", "c": OK}) as path:
            a, b, c = gtest_cases.run([str(path)])
        self.assertIn("its last words", b.output)
        self.assertEqual(a.seconds, 0.012)

    def test_the_report_and_the_last_lines_name_what_failed(self):
        with program({"a": OK, "b": "abort", "c": SKIPPED}) as path, contextlib.redirect_stdout(io.StringIO()) as said:
            report = path.with_name("reports") / "plan_test.xml"
            self.assertEqual(gtest_cases.main(str(report), str(path)), 1)
            found = {case.get("name"): [part.tag for part in case] for case in ET.parse(report).iter("testcase")}
        self.assertEqual(found, {"a": [], "b": ["failure"], "c": ["skipped"]})
        self.assertEqual(said.getvalue().splitlines()[-2:], [
            "FAILED plan_test/s.b: its process ended with exit status -6", "plan_test: 3 cases, 1 failed"])


if __name__ == "__main__":
    unittest.main()
