# SPDX-License-Identifier: Apache-2.0
"""What `./test` does once the packages are there: builds, runs every test, adds up the counts.

    quick    the unit tests of the release build
    (none)   in one lane the whole system in a guest, in two others the whole system natively, with each build as soon
             as there is one; beside them the unit tests under AddressSanitizer, those of what threads share under
             ThreadSanitizer, and the fuzzers, which AddressSanitizer's build has, for a short while
    long     all of that with more seeds and longer fuzzing, and the release build's unit tests as well
"""

import contextlib
import os
import shutil
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass, field
from pathlib import Path

from . import places, processes
from .building import build, logged
from .lane import Ended, Lane
from .progress import Progress

NEEDS_CEPH = "ceph"
"""The ctest label of unit tests that want a cluster: tests/ceph runs those."""

UNDER_TSAN = ("core", "ceph", "bdev", "bdev_rbd", "bdev_nvme", "tests/softrdma")
"""Folders whose unit tests run under ThreadSanitizer: what is shared between threads is written there."""

PROGRAMS = ("causewayd", "causeway", "conformance", "hostile_client", "scripted_host", "rdma_load", "softrdma_rdmacm")
"""Programs that whole-system tests run, in each build that they use."""

ONLY_IN_RELEASE = ("tests/softrdma", "tests/simulation", "tests/neighbours", "transport/loop")
"""Folders with unit tests that sanitizers leave out or shorten."""

ALSO_IN_RELEASE = ("declarations", "bdev_nvme_shared_lines_test", "headers_compile_alone", "simulation_run", "rbd_device_ceph_test")

NATIVE_FOLDERS = ("tests/deploy", "tests/gateway", "tests/tcp", "tests/softrdma", "tests/ceph", "tests/bulkheads")

DOWNLOADS = "tests/deploy/test_install.py"
"""In the guest's lane, because the native ones have no network but loopback. A step of its own, because a mirror may be slow."""

UNIT_MINUTES = 25    # beside the lanes
FUZZ_MINUTES = 12
NATIVE_MINUTES = 45    # of each build
GUEST_MINUTES = 75
DOWNLOADS_MINUTES = 20

LONG = "CAUSEWAY_LONG"
"""Set in the environment of `./test long`: tests that only repeat do so more often."""


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    """The names of those that failed."""

    def __iadd__(self, other: "Counts") -> "Counts":
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
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
        """An emulated guest keeps one core busy, and what runs natively mostly waits: both leave room for the rest."""
        if not self.built("release", ONLY_IN_RELEASE, (*PROGRAMS, *ALSO_IN_RELEASE)):
            return
        with contextlib.ExitStack() as lanes:
            guest, first, second = (lanes.enter_context(contextlib.closing(lane))
                                    for lane in (Lane(), Lane(own_loopback=True), Lane(own_loopback=True)))
            beside = [self.pytest_in(guest, "whole system in a guest", "guest", GUEST_MINUTES, "tests/vm"),
                      self.natively_in(first, "release", "not asan and not tsan")]
            in_debian = self.pytest_in(guest, "the package in a fresh Debian", "install", DOWNLOADS_MINUTES, DOWNLOADS)
            built = ["release"]
            for lane, preset, folders, also in ((second, "asan", (), ()), (first, "tsan", UNDER_TSAN, PROGRAMS)):
                if self.built(preset, folders, also):
                    built.append(preset)
                    beside.append(self.natively_in(lane, preset, preset))
            for preset in built:
                self.ctest(preset, partial=preset != "asan")
            if "asan" in built:
                self.fuzz()
            for each in (*beside, in_debian):
                self.wait_for(each)

    def long(self) -> None:
        os.environ[LONG] = "1"
        self.unit("release")
        run = [places.binary("tests/simulation/simulation_run"), "--first", 10_001, "--seeds", 20_000]
        self.tests("simulation, more seeds", "simulation", 30, lambda report: run)
        self.everything()

    def fuzz(self) -> None:
        """A short run of each fuzzer; tests/fuzz/README.md has the long one."""
        minutes = 60 if LONG in os.environ else FUZZ_MINUTES
        self.tests("fuzzers", "fuzz", minutes, lambda report: pytest_command(report, ("tests/fuzz",)))

    def pytest_in(self, lane: Lane, title: str, name: str, minutes: float, *words: str) -> "Beside":
        log, report = self.files(name)
        self.progress.say(f"     {title}: in the background; its log will be {log}")
        return Beside(title, log, report, lane.add(pytest_command(report, words), log, minutes))

    def natively_in(self, lane: Lane, preset: str, select: str) -> "Beside":
        return self.pytest_in(lane, f"whole system, natively, {preset}", f"native-{preset}", NATIVE_MINUTES,
                              *NATIVE_FOLDERS, f"--ignore={DOWNLOADS}", "-k", select)

    def wait_for(self, beside: "Beside") -> None:
        with self.progress.step(beside.title) as step:
            while True:
                try:
                    ended = beside.ended.result(timeout=0.3)
                    break
                except TimeoutError:
                    self.progress.detail = processes.last_line(beside.log) if beside.log.exists() else "waits for its turn"
            self.count(step, ended.status, beside.report)
            step.note += f", ran {ended.seconds:.0f} s"
        if step.failed:
            self.show(beside.log)

    def unit(self, preset: str, folders: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> None:
        """Builds and runs unit tests: all of them, or the test programs of `folders`."""
        if self.built(preset, folders, also):
            self.ctest(preset, partial=bool(folders))

    def ctest(self, preset: str, partial: bool) -> None:
        """Runs ctest, less what needs a cluster; `partial`: less what was not built, too."""
        absent = "_NOT_BUILT$" + ("|^simulation/" if partial and preset != "release" else "")
        cases = places.CHECKOUT / "build" / preset / "cases"
        shutil.rmtree(cases, ignore_errors=True)    # an older run's
        self.tests(f"unit tests, {preset}", f"unit-{preset}", UNIT_MINUTES, lambda report: [
            "ctest", "--test-dir", f"build/{preset}", "-j", os.cpu_count(), "-LE", NEEDS_CEPH, "-E", absent,
            "--output-on-failure", "--output-junit", report], cases)

    def built(self, preset: str, folders: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> bool:
        log = self.run.logs / f"build-{preset}.log"
        if build(preset, log, self.progress, folders, also):
            return True
        self.counts.failed += 1
        self.show(log)
        return False

    def tests(self, title: str, name: str, minutes: float, command, cases: Path | None = None) -> None:
        """Runs a test command that writes a JUnit report; shows the end of its log if anything failed.

        `cases`: a folder where programs report their cases (gtest_cases.py).
        """
        log, report = self.files(name)
        with self.progress.step(title) as step:
            self.count(step, logged(command(report), log, self.progress, minutes), report, cases)
        if step.failed:
            self.show(log)

    def files(self, name: str) -> tuple[Path, Path]:
        """A step's log and its report."""
        return self.run.logs / f"{name}.log", self.run.folder / f"{name}.xml"

    def count(self, step, status: int, report: Path, cases: Path | None = None) -> None:
        """Adds a report's counts; a command that failed without saying where, or never came to report, is a failure."""
        counts = read_report(report, cases) if report.exists() else Counts()
        if status != 0 and counts.failed == 0:
            counts.failed = 1
        step.note, step.failed = str(counts), counts.failed > 0
        self.counts += counts
        if counts.failures:
            self.progress.say("\n".join(f"     failed: {name}" for name in counts.failures))

    def show(self, log: Path) -> None:
        self.progress.say(f"\n---- from {log}\n{relevant(log)}\n----\n")


@dataclass(frozen=True)
class Beside:
    """Tests in the background, and how they ended once they have."""
    title: str
    log: Path
    report: Path
    ended: Future[Ended]


def pytest_command(report: Path, words: tuple[str, ...]) -> list:
    return [sys.executable, "-m", "pytest", "-v", "--durations=25", "-p", "no:cacheprovider", f"--junitxml={report}", *words]


def relevant(log: Path, lines: int = 60) -> str:
    """The place where a build failed; of other logs the end."""
    text = log.read_text(errors="replace").splitlines()
    broke = next((n for n, line in enumerate(text) if line.startswith(("FAILED:", "CMake Error"))), None)
    return "\n".join(text[-lines:] if broke is None else text[broke:broke + lines])


def read_report(path: Path, cases: Path | None = None) -> Counts:
    """Counts of a JUnit file, as ctest and pytest write it; for a program that has reported its cases, these."""
    counts = Counts()
    for case in ET.parse(path).getroot().iter("testcase"):
        name, failed = case.get("name"), case.find("failure") is not None or case.find("error") is not None
        own = cases / f"{name}.xml" if cases else None
        if own and own.exists():
            of_program = read_report(own)
            of_program.failures = [f"{name}/{failure}" for failure in of_program.failures]
            counts += of_program
            failed = failed and not of_program.failed    # said already
        elif not failed:
            skipped = case.find("skipped") is not None or case.get("status") in ("notrun", "disabled")
            counts += Counts(skipped=1) if skipped else Counts(passed=1)
        if failed:
            counts += Counts(failed=1, failures=[name])
    return counts


def main(arguments: list[str]) -> int:
    processes.turn_signals_into_interrupts()
    with places.Run("test") as run:
        suite = Suite(Progress(), run)
        try:
            {"quick": suite.quick, "long": suite.long, "all": suite.everything}[arguments[0] if arguments else "all"]()
        except KeyboardInterrupt:
            suite.progress.say("interrupted")
            return 130
        suite.progress.say(f"logs: {run.logs}")
        suite.progress.say(str(suite.counts))
        return 1 if suite.counts.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
