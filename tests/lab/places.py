# SPDX-License-Identifier: Apache-2.0
"""Where things are. Nothing else in this package knows a path."""

import fcntl
import os
import shutil
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LAB = Path(os.environ.get("CAUSEWAY_LAB") or CHECKOUT / ".lab").resolve()
BUILD = (CHECKOUT / (os.environ.get("CAUSEWAY_BUILD") or "build/release")).resolve()

INSIDE = Path(__file__).resolve().parent / "inside"
"""What runs inside a guest."""

RUNS_KEPT = 8
"""The number of ended runs whose logs are kept."""


def binary(name: str) -> Path:
    """A program of ours by its place in the build folder, such as `gateway/causewayd`."""
    return BUILD / name


class Run:
    """One run's folders: `folder` for what ends with the run, `logs` for what is read afterwards.

    A lock is held on `folder` as long as we live, so that the next run can tell a folder in use from one whose
    owner was killed, and remove the latter.
    """

    def __init__(self, name: str):
        self.name = f"{name}-{os.getpid()}"
        self.folder = LAB / "run" / self.name
        self.logs = LAB / "logs" / self.name
        _remove_abandoned(LAB / "run")
        _remove_oldest(LAB / "logs", LAB / "run", RUNS_KEPT)
        self.folder.mkdir(parents=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def keep(self) -> None:
        """Hands the folder to processes that live on after us; `keep` in it tells later runs."""
        (self.folder / "keep").touch()

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if not (self.folder / "keep").exists():
            shutil.rmtree(self.folder, ignore_errors=True)


def _locked(folder: Path) -> int | None:
    """The folder's lock; None if another process holds it."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except BlockingIOError:
        os.close(lock)
        return None


def _remove_abandoned(runs: Path) -> None:
    for folder in runs.iterdir() if runs.is_dir() else ():
        if (folder / "keep").exists():
            continue
        try:
            lock = _locked(folder)
        except FileNotFoundError:
            continue
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _remove_oldest(logs: Path, runs: Path, keep: int) -> None:
    """Not those of a run that still has its folder: its programs write there."""
    folders = [folder for folder in logs.iterdir() if folder.is_dir() and not (runs / folder.name).exists()] if logs.is_dir() else []
    for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime)[:-keep]:
        shutil.rmtree(folder, ignore_errors=True)
