# SPDX-License-Identifier: Apache-2.0
"""Options of sanitizers, and how their reports are found in a program's output."""

import re
from pathlib import Path

SETTINGS = {
    "ASAN_OPTIONS": "detect_leaks=1",
    # Ceph's libraries are not built with it: what they do among themselves it cannot judge. Nothing else is left out.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
"""For the environment of a program of ours, however it was built."""

_REPORT = re.compile(r"^(==\d+==ERROR: |==\d+==WARNING: |WARNING: ThreadSanitizer: |.*: runtime error: |FATAL: \w+Sanitizer)", re.M)


def reports(log: Path) -> str:
    """From the first report in a program's log to the log's end; nothing if there is none."""
    return reports_in(log.read_text(errors="replace"))


def reports_in(text: str) -> str:
    """The same of what a program has written."""
    found = _REPORT.search(text)
    return text[found.start():] if found else ""
