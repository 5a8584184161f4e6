"""What `./test` does after the packages are there: builds, runs every test, adds up the counts.

    quick    the unit tests of the release build
    (none)   those, again under AddressSanitizer, what threads share under ThreadSanitizer, then the whole-system tests
"""

import contextlib
import fcntl
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from . import places, processes
from .progress import Progress

NEEDS_CEPH = "ceph"
"""The ctest label of unit tests that want a cluster: tests/ceph runs those."""

UNDER_TSAN = ("core",)
"""Folders whose unit tests run under ThreadSanitizer: what is shared between threads is written there."""

MINUTES = {"build": 25, "unit": 10, "system": 25}
JOBS = os.cpu_count() or 2


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
        if self.build("release"):
            self.unit_tests("release")

    def everything(self) -> None:
        self.quick()
        if self.build("asan"):
            self.unit_tests("asan")
        if self.build("tsan", UNDER_TSAN):
            self.unit_tests("tsan", UNDER_TSAN)
        self.system_tests()

    def build(self, preset: str, folders: tuple[str, ...] = ()) -> bool:
        """Configures and builds; with `folders`, only their test programs. Two runs in one checkout take turns."""
        log = self.run.logs / f"build-{preset}.log"
        with self.progress.step(f"build {preset}") as step, build_lock(preset):
            done = (self.logged(["cmake", "--preset", preset], log, "build") == 0
                    and self.logged(["cmake", "--build", "--preset", preset, *self.targets(preset, folders)], log, "build") == 0)
            step.failed = not done
        if not done:
            self.counts.failed += 1
            self.show(log)
        return done

    def targets(self, preset: str, folders: tuple[str, ...]) -> list[str]:
        """The test programs of `folders`, as build targets; nothing means all."""
        if not folders:
            return []
        listed = processes.run(["ninja", "-C", places.CHECKOUT / "build" / preset, "-t", "targets", "all"]).stdout.splitlines()
        programs = [line.partition(":")[0] for line in listed if "CXX_EXECUTABLE" in line]
        return ["--target", *(p for p in programs if p.startswith(tuple(f"{f}/" for f in folders)) and p.endswith("_test"))]

    def unit_tests(self, preset: str, folders: tuple[str, ...] = ()) -> None:
        """ctest, less what needs a cluster and less what was not built."""
        log, report = self.run.logs / f"unit-{preset}.log", self.run.folder / f"unit-{preset}.xml"
        with self.progress.step(f"unit tests, {preset}") as step:
            status = self.logged(["ctest", "--test-dir", f"build/{preset}", "-j", JOBS, "-LE", NEEDS_CEPH, "-E", "_NOT_BUILT$",
                                  "--output-on-failure", "--output-junit", report], log, "unit")
            counts = self.add(report, status)
            step.note, step.failed = str(counts), counts.failed > 0
        if counts.failed:
            self.show(log)

    def system_tests(self) -> None:
        log, report = self.run.logs / "system.log", self.run.folder / "system.xml"
        with self.progress.step("whole-system tests") as step:
            status = self.logged([sys.executable, "-m", "pytest", "-v", "--durations=15", "-p", "no:cacheprovider", f"--junitxml={report}",
                                  "--ignore=tests/bench", "--ignore=tests/fuzz", "tests"], log, "system")
            counts = self.add(report, status)
            step.note, step.failed = str(counts), counts.failed > 0
        if counts.failed:
            self.show(log)

    def add(self, report: Path, status: int) -> Counts:
        """The counts of a report. A run that failed without saying where, or never reported, is one failure."""
        counts = read_report(report) if report.exists() else Counts()
        if status != 0 and counts.failed == 0:
            counts.failed += 1
        self.counts += counts
        return counts

    def logged(self, argv, log: Path, kind: str) -> int:
        """Runs a command into a log, in bounded time, showing the log's last line as it goes."""
        deadline = time.monotonic() + 60 * MINUTES[kind]
        process = processes.spawn(argv, log=log, cwd=places.CHECKOUT)
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    with open(log, "a") as file:
                        file.write(f"\nnot done after {MINUTES[kind]} minutes\n")
                    return 1
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.3)
                self.progress.detail = processes.last_line(log)
            return process.returncode
        finally:
            processes.end(process, grace=30)

    def show(self, log: Path) -> None:
        self.progress.say(f"\n---- the end of {log}\n{processes.tail(log, 60)}\n----\n")


@contextlib.contextmanager
def build_lock(preset: str):
    places.LAB.mkdir(parents=True, exist_ok=True)
    with open(places.LAB / f"build-{preset}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
    run = places.Run("test")
    suite = Suite(Progress(), run)
    try:
        suite.quick() if arguments == ["quick"] else suite.everything()
        suite.progress.say(f"logs: {run.logs}")
        suite.progress.say(str(suite.counts))
        return 1 if suite.counts.failed else 0
    except KeyboardInterrupt:
        suite.progress.say("interrupted")
        return 130
    finally:
        run.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
