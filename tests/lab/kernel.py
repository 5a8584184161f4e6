# SPDX-License-Identifier: Apache-2.0
"""Debian's stock kernel: downloaded once, unpacked into the lab's folder, and never installed."""

import fcntl
import lzma
import os
import shutil
import struct
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from . import places, processes

META_PACKAGE = "linux-image-amd64"


@dataclass(frozen=True)
class Kernel:
    release: str     # as `uname -r` says
    vmlinux: Path    # unpacked: QEMU starts it four seconds sooner than the bzImage
    modules: Path    # the folder that becomes /lib/modules/<release>


def get(package: str | None = None) -> Kernel:
    """The kernel of `package`, by default the one that linux-image-amd64 stands for today.

    Once one is in the cache, it is used without asking the package archive. Runs in parallel wait for each other.
    """
    cache = places.LAB / "kernel"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = sorted(f.parent for f in cache.glob(f"{package or 'linux-image-*'}/ready"))
        return describe(known[-1] if known else _fetch(package or _current_package(), cache))


def describe(folder: Path) -> Kernel:
    """A kernel that `unpack` has unpacked there."""
    modules = next(f for f in (folder / "root/lib/modules").iterdir() if f.is_dir())
    return Kernel(modules.name, folder / "vmlinux", modules)


def _current_package() -> str:
    for attempt in range(2):
        words = processes.run(["apt-cache", "depends", META_PACKAGE], check=False).stdout.split()
        if "Depends:" in words:
            return words[words.index("Depends:") + 1]
        if attempt == 0:
            _update_package_lists()
    raise RuntimeError(f"no package {META_PACKAGE} in apt's lists")


def _update_package_lists() -> None:
    processes.run(["apt-get", "-o", "DPkg::Lock::Timeout=600", "update", "-qq"], timeout=900)


def _fetch(package: str, cache: Path) -> Path:
    """Downloads and unpacks beside the final place and moves it there complete, so half a kernel is never seen."""
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        work = Path(scratch) / "kernel"
        os.chmod(scratch, 0o755)
        download = ["env", "-C", scratch, "apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package]
        if processes.run(download, timeout=900, check=False).returncode:
            _update_package_lists()
            processes.run(download, timeout=900)
        unpack(next(Path(scratch).glob("*.deb")), work)
        shutil.rmtree(cache / package, ignore_errors=True)
        return work.rename(cache / package)


def unpack(package: Path, to: Path) -> None:
    """The kernel of a package that has been downloaded."""
    to.mkdir()
    processes.run(["dpkg", "-x", package, to / "root"], timeout=300)
    if not (to / "root/lib").exists():    # newer Debians have it below /usr, where depmod does not look
        (to / "root/lib").symlink_to("usr/lib")
    image = next((to / "root/boot").glob("vmlinuz-*"))
    (to / "vmlinux").write_bytes(payload_of(image.read_bytes()))
    release = image.name.removeprefix("vmlinuz-")
    shutil.rmtree(to / "root/boot")
    processes.run(["depmod", "-b", to / "root", release], timeout=300)
    (to / "ready").touch()


def payload_of(image: bytes) -> bytes:
    """The ELF kernel inside a bzImage. The fields are those of the Linux x86 boot protocol, 2.08 and later."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    packed = image[start:start + length]
    if packed.startswith(b"\xfd7zXZ\0"):
        kernel = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(packed)
    elif packed.startswith(b"\x1f\x8b"):
        kernel = zlib.decompressobj(31).decompress(packed)
    elif packed.startswith(b"\x28\xb5\x2f\xfd"):   # zstd, followed by the unpacked size in 4 bytes
        kernel = subprocess.run(["zstd", "-dcq"], input=packed[:-4], capture_output=True, check=True).stdout
    else:
        raise ValueError(f"kernel packed in an unknown way: {packed[:6].hex()}")
    if not kernel.startswith(b"\x7fELF"):
        raise ValueError("the kernel's payload is no ELF file")
    return kernel
