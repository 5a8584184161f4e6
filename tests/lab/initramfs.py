# SPDX-License-Identifier: Apache-2.0
"""The archive a guest starts from: busybox, the modules needed to reach everything else, and our `init`.

Written directly in cpio's "newc" form. An archive is cached under the hash of all that went into it.
"""

import hashlib
import os
import re
import shutil
import stat
from pathlib import Path

from . import places, processes
from .kernel import Kernel

APPLETS = ("sh mount umount mkdir cat cut echo insmod modprobe switch_root poweroff reboot sleep ls ln cp dd date "
           "dmesg uname mknod printf tr grep awk sed head tail ip chroot rm").split()
TO_REACH_THE_ROOT = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]


class Archive:
    """Names and contents of an initramfs, folders made as needed."""

    def __init__(self):
        self._entries: dict[str, tuple[int, bytes]] = {}

    def file(self, name: str, content: bytes, mode: int = 0o755) -> None:
        self._add(name, stat.S_IFREG | mode, content)

    def link(self, name: str, target: str) -> None:
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def folder(self, name: str) -> None:
        self._add(name, stat.S_IFDIR | 0o755, b"")

    def copy(self, source: Path, name: str | None = None) -> None:
        """A file of this machine, at the same place in the guest unless `name` says otherwise."""
        source = Path(source)
        self.file(str(name or source), source.read_bytes(), source.stat().st_mode & 0o777)

    def program(self, path: Path) -> None:
        """A program with the shared libraries that it is linked against."""
        self.copy(path)
        for line in processes.run(["ldd", path], check=False).stdout.splitlines():
            if library := re.search(r"(/\S+) \(0x", line):
                self.copy(Path(library[1]))

    def _add(self, name: str, mode: int, content: bytes) -> None:
        name = name.strip("/")
        if name in self._entries:
            return
        if parent := os.path.dirname(name):
            self.folder(parent)
        self._entries[name] = (mode, content)

    def bytes(self) -> bytes:
        entries = [*self._entries.items(), ("TRAILER!!!", (0, b""))]
        return b"".join(_newc(number, name, *entry) for number, (name, entry) in enumerate(entries, 1))


def _newc(inode: int, name: str, mode: int, content: bytes) -> bytes:
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
    return header + b"\0" * (-len(header) % 4) + content + b"\0" * (-len(content) % 4)


def base(init: str) -> Archive:
    """What every guest starts from: busybox and `init`."""
    archive = Archive()
    for folder in ("proc", "sys", "dev", "run", "tmp", "newroot", "root", "etc", "lib"):
        archive.folder(folder)
    archive.copy(Path(shutil.which("busybox") or "/bin/busybox"), "/bin/busybox")
    for applet in APPLETS:
        archive.link(f"/bin/{applet}", "busybox")
    archive.link("/sbin", "bin")
    archive.file("/init", (places.INSIDE / init).read_bytes())
    return archive


def for_9p_root(kernel: Kernel) -> Path:
    """Few modules, only to reach the root over 9p; the guest loads all others from there."""
    archive = base("init-9p.sh")
    archive.copy(places.INSIDE / "agent.py", "/agent.py")
    order = []
    for path in load_order(kernel, TO_REACH_THE_ROOT):
        archive.copy(kernel.modules / path, f"/modules/{Path(path).name}")
        order.append(f"/modules/{Path(path).name}\n")
    archive.file("/modules/order", "".join(order).encode())
    return cached(archive)


def cached(archive: Archive) -> Path:
    """The archive as a file, named by its content; written once."""
    content = archive.bytes()
    path = places.LAB / "initramfs" / f"{hashlib.sha256(content).hexdigest()[:16]}.cpio"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_bytes(content)
        scratch.rename(path)
    return path


def load_order(kernel: Kernel, names: list[str]) -> list[str]:
    """Paths of the named modules and of all they depend on, each after its dependencies."""
    needs = _dependencies(kernel)
    by_name = {module_name(path): path for path in needs}
    order: list[str] = []

    def visit(path: str) -> None:
        if path not in order:
            for needed in needs[path]:
                visit(needed)
            order.append(path)

    for name in names:
        if path := by_name.get(name.replace("-", "_")):    # absent: built in, or the guest will say
            visit(path)
    return order


def _dependencies(kernel: Kernel) -> dict[str, list[str]]:
    lines = (kernel.modules / "modules.dep").read_text().splitlines()
    return {path: needed.split() for path, _, needed in (line.partition(":") for line in lines)}


def module_name(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")
