"""What `./test` does once the packages are there: builds, runs every test, adds up the counts.

    quick    the unit tests of the release build
    (none)   those, again under AddressSanitizer, what threads share under ThreadSanitizer, the fuzzers for a while, then the
             whole system
"""

import os
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from . import places, processes
from .building import build, logged
from .progress import Progress

NEEDS_CEPH = "ceph"
"""The ctest label of unit tests that want a cluster: tests/ceph runs those."""

UNDER_TSAN = ("core", "bdev", "bdev_rbd", "bdev_nvme", "tests/softrdma")
"""Folders whose unit tests run under ThreadSanitizer: what is shared between threads is written there."""

ALSO_UNDER_TSAN = ("causewayd", "causeway", "hostile_client", "rdma_load", "rdma_discover", "softrdma_rdmacm")
"""Programs that whole-system tests run under it."""

FUZZERS = ("rdma_capsule_fuzzer", "sgl_fuzzer", "rdma_private_data_fuzzer", "tcp_pdu_fuzzer",
           "tcp_stream_fuzzer", "nvme_controller_fuzzer")

SYSTEM_FOLDERS = ("tests/deploy", "tests/gateway", "tests/tcp", "tests/softrdma", "tests/ceph", "tests/vm")

UNIT_MINUTES = 10
FUZZ_MINUTES = 5
SYSTEM_MINUTES = 75


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __iadd__(self, other: "Counts") -> "Counts":
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass
class Suite:
    progress: Progress
    run: places.Run
    counts: Counts = field(default_factory=Counts)

    def quick(self) -> None:
        self.unit("release")

    def everything(self) -> None:
        self.unit("release")
        self.unit("asan")
        self.unit("tsan", UNDER_TSAN, ALSO_UNDER_TSAN)
        self.fuzz()
        self.pytest("whole-system tests", "system", SYSTEM_MINUTES, *SYSTEM_FOLDERS)

    def fuzz(self) -> None:
        """A short run of each fuzzer; tests/fuzz/README.md has the long one."""
        if self.built("fuzz", also=FUZZERS):
            self.pytest("fuzzers", "fuzz", FUZZ_MINUTES, "tests/fuzz")

    def pytest(self, title: str, name: str, minutes: float, *folders: str) -> None:
        self.tests(title, name, minutes, lambda report: [
            sys.executable, "-m", "pytest", "-v", "--durations=15", "-p", "no:cacheprovider", f"--junitxml={report}",
            *folders])

    def unit(self, preset: str, folders: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> None:
        """Builds and runs ctest, less what needs a cluster and less what was not built."""
        if not self.built(preset, folders, also):
            return
        absent = "_NOT_BUILT$" + ("|^simulation/" if folders else "")
        self.tests(f"unit tests, {preset}", f"unit-{preset}", UNIT_MINUTES, lambda report: [
            "ctest", "--test-dir", f"build/{preset}", "-j", os.cpu_count(), "-LE", NEEDS_CEPH, "-E", absent,
            "--output-on-failure", "--output-junit", report])

    def built(self, preset: str, folders: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> bool:
        log = self.run.logs / f"build-{preset}.log"
        if build(preset, log, self.progress, folders, also):
            return True
        self.counts.failed += 1
        self.show(log)
        return False

    def tests(self, title: str, name: str, minutes: float, command) -> None:
        """Runs a test command that writes a JUnit report; shows the end of its log if anything failed."""
        log, report = self.run.logs / f"{name}.log", self.run.folder / f"{name}.xml"
        with self.progress.step(title) as step:
            status = logged(command(report), log, self.progress, minutes)
            counts = read_report(report) if report.exists() else Counts()
            if status != 0 and counts.failed == 0:    # it failed without saying where, or never came to report
                counts.failed = 1
            step.note, step.failed = str(counts), counts.failed > 0
        self.counts += counts
        if counts.failed:
            self.show(log)

    def show(self, log: Path) -> None:
        self.progress.say(f"\n---- from {log}\n{relevant(log)}\n----\n")


def relevant(log: Path, lines: int = 60) -> str:
    """Where a build broke; of other logs the end."""
    text = log.read_text(errors="replace").splitlines()
    broke = next((n for n, line in enumerate(text) if line.startswith(("FAILED:", "CMake Error"))), None)
    return "\n".join(text[-lines:] if broke is None else text[broke:broke + lines])


def read_report(path: Path) -> Counts:
    """Counts of a JUnit file, as ctest and pytest write it."""
    counts = Counts()
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            counts.skipped += 1
        else:
            counts.passed += 1
    return counts


def main(arguments: list[str]) -> int:
    processes.turn_signals_into_interrupts()
    with places.Run("test") as run:
        suite = Suite(Progress(), run)
        try:
            suite.quick() if arguments == ["quick"] else suite.everything()
        except KeyboardInterrupt:
            suite.progress.say("interrupted")
            return 130
        suite.progress.say(f"logs: {run.logs}")
        suite.progress.say(str(suite.counts))
        return 1 if suite.counts.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
