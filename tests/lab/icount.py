# SPDX-License-Identifier: Apache-2.0
"""A guest whose time is the number of its instructions: what it measures of itself repeats to the digit.

One virtual CPU, one nanosecond an instruction, and no device to wait for: all that the job needs is in the initramfs.
A billion divided by operations per second is therefore instructions per operation, of the whole guest: host, target
and load generator together. It does not depend on what else this machine does.

What it does not show: caches, stalls, and everything that several CPUs do to each other.
"""

import subprocess
import time
from pathlib import Path

from . import initramfs, processes, qemu
from .channel import GuestDied
from .kernel import Kernel

VERBS_PROVIDER = "rxe"
SEED = 7
"""Of all that the guest believes to be random."""

CPU = "max,la57=off,erms=off,fsrm=off"
"""Emulation counts every round of a repeated string instruction. Without "enhanced rep movsb" a 4 KiB block is copied in
512 rounds of 8 bytes rather than in 4096 of one, which is nearer to what a copy costs."""


def archive(kernel: Kernel, modules: dict[str, str]) -> initramfs.Archive:
    """What the guest consists of, to be added to: `modules` by name with their parameters, loaded in this order."""
    contents = initramfs.base("init-icount.sh")
    parameters = {name.replace("-", "_"): words for name, words in modules.items()}
    order = []
    for path in initramfs.load_order(kernel, list(modules)):
        inside = f"/modules/{Path(path).name}"
        contents.copy(kernel.modules / path, inside)
        order.append(f"{inside} {parameters.get(initramfs.module_name(path), '')}\n")
    contents.file("/modules/order", "".join(order).encode())
    return contents


def add_verbs(contents: initramfs.Archive) -> None:
    """User space's half of soft-RoCE, which libibverbs looks for at run time."""
    contents.copy(Path(f"/etc/libibverbs.d/{VERBS_PROVIDER}.driver"))
    for library in Path("/usr/lib").glob(f"*/libibverbs/lib{VERBS_PROVIDER}-*.so"):
        contents.program(library)


def run(kernel: Kernel, contents: initramfs.Archive, folder: Path, logs: Path, *, name: str = "icount", memory: str = "2G",
        words: str = "", timeout: float = 900, extra_qemu=(), watch=lambda output: None) -> str:
    """Boots, runs `/job`, and returns what it printed. `watch` sees that as it grows. `name` is that of the logs."""
    initrd, output, serial, said = folder / f"{name}.cpio", *(logs / f"{name}.{kind}" for kind in ("out", "serial", "qemu"))
    initrd.write_bytes(contents.bytes())
    command = qemu.machine(kernel, initrd, smp=1, memory=memory, words=words, serial=serial, accel="tcg,thread=single", cpu=CPU)
    command += ["-icount", "shift=0,sleep=off", "-seed", str(SEED), "-rtc", "base=2024-01-01T00:00:00,clock=vm",
                "-serial", f"file:{output}", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *extra_qemu]
    emulator = processes.spawn(command, cwd=folder, log=said)
    try:
        status = _wait(emulator, timeout, lambda: watch(_text(output)))
    finally:
        processes.end(emulator, grace=0)
    if status != 2 * 16 + 1:
        raise GuestDied(f"the job failed, or the guest did: QEMU's status is {status}\n-- its output:\n{_text(output)[-4000:]}\n"
                        f"-- end of its console, {serial}:\n{processes.tail(serial)}\n{processes.tail(said, 5)}")
    return _text(output)


def _wait(emulator: subprocess.Popen, timeout: float, watch) -> int | None:
    """The emulator's exit status; nothing when time is up."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            return emulator.wait(0.5)
        except subprocess.TimeoutExpired:
            watch()
    return None


def _text(path: Path) -> str:
    return path.read_text(errors="replace").replace("\r", "") if path.exists() else ""
