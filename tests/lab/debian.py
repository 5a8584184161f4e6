# SPDX-License-Identifier: Apache-2.0
"""A newer Debian for guests, its root and its kernel; and plain roots for tests that install something.

Made once, by mmdebstrap, and kept in the lab's folder. This machine's packages and package lists stay as they are.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import kernel, places, processes

SUITE = "trixie"
LIST = places.CHECKOUT / "deploy/newer-host.txt"
KERNEL = "linux-image-amd64"
MADE_WITHIN = 300
"""Seconds. A mirror so slow that this is not enough costs the tests that want a Debian, and no others."""

MMDEBSTRAP = ("mmdebstrap", "--quiet", "--mode=root", "--variant=apt", '--aptopt=Acquire::http::Timeout "20"',
              '--aptopt=Acquire::Retries "1"')
"""A mirror that does not answer is given up soon."""

DOWNLOAD_KERNEL = f"""set -e
package=$(apt-cache depends {KERNEL} | sed -n 's/.*Depends: \\(linux-image-.*\\)/\\1/p')
cd /root && apt-get download -qq -o APT::Sandbox::User=root $package"""


@dataclass(frozen=True)
class Debian:
    root: Path
    kernel: kernel.Kernel


def packages() -> list[str]:
    lines = (line.partition("#")[0].strip() for line in LIST.read_text().splitlines())
    return [line for line in lines if line]


def get() -> Debian:
    """The one of the list as it stands. Runs in parallel wait for each other."""
    wanted = packages()
    folder = _cached(SUITE, wanted, lambda folder: _make(folder, [package for package in wanted if package != KERNEL]))
    return Debian(folder / "root", kernel.describe(folder / "kernel"))


def plain_root(suite: str, wanted: list[str]) -> Path:
    """The root of a Debian with apt and these packages. Tests copy it."""
    return _cached(suite, wanted, lambda folder: _make_plain(folder, suite, wanted)) / "root"


def _cached(suite: str, wanted: list[str], make) -> Path:
    cache = places.LAB / "debian"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{suite}-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:12]}"
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder)
    return folder


def mirror() -> str:
    """Where this machine's own apt takes Debian's packages from; with a mirror of a whole company, not from the outside."""
    listed = processes.run(["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Identifier: Packages"]).stdout
    uri = next((line.removeprefix("Debian|") for line in listed.splitlines() if line.startswith("Debian|")), None)
    if uri is None:
        raise processes.CommandFailed("apt has no mirror of Debian: name one in /etc/apt/sources.list, and run apt-get update")
    return uri


@contextlib.contextmanager
def _scratch(folder: Path):
    """A folder beside the final place, which is moved there complete: half a root is never seen."""
    if not shutil.which("mmdebstrap"):
        raise processes.CommandFailed("mmdebstrap is not installed (deploy/install-deps.sh)")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as scratch:
        os.chmod(scratch, 0o755)
        (Path(scratch) / "made").mkdir()
        yield Path(scratch)
        (Path(scratch) / "made").rename(folder)


def _make_plain(folder: Path, suite: str, wanted: list[str]) -> None:
    with _scratch(folder) as scratch:
        processes.run_in_namespace([*MMDEBSTRAP, f"--include={','.join(wanted)}", suite, scratch / "made/root", mirror()],
                                   timeout=MADE_WITHIN)


def _make(folder: Path, wanted: list[str]) -> None:
    with _scratch(folder) as scratch:
        root = scratch / "made/root"
        hook = scratch / "hook"
        hook.write_text(f'#!/bin/sh\nexec chroot "$1" sh -c "$KERNEL_SCRIPT"\n')
        hook.chmod(0o755)
        processes.run_in_namespace(["env", f"KERNEL_SCRIPT={DOWNLOAD_KERNEL}", *MMDEBSTRAP, f"--include={','.join(wanted)}",
                                    f"--customize-hook={hook}", SUITE, root, mirror()], timeout=MADE_WITHIN)
        downloaded = next((root / "root").glob("linux-image-*.deb"))
        kernel.unpack(downloaded, root.parent / "kernel")
        downloaded.unlink()
