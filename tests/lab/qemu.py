# SPDX-License-Identifier: Apache-2.0
"""The emulator's command line. Software emulation only: what runs here runs the same on any machine."""

from pathlib import Path

from .kernel import Kernel

KERNEL_WORDS = ("console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off nokaslr tsc=reliable no_timer_check "
                "cryptomgr.notests random.trust_cpu=on")
CPU = "max,la57=off"
"""`max` has AVX2 and no AVX-512; without la57 page tables are one level lower, which emulation feels."""
AGENT = "agent.sock"
MONITOR = "qmp.sock"


def machine(kernel: Kernel, initramfs: Path, *, smp: int, memory: str, words: str, serial: Path,
            accel: str = "tcg,thread=multi", cpu: str = CPU) -> list[str]:
    """A machine that boots `kernel` and writes its console to `serial`. A panic ends it (panic=-1 with -no-reboot)."""
    return ["qemu-system-x86_64", "-accel", accel, "-cpu", cpu, "-machine", "q35", "-smp", str(smp), "-m", memory,
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-chardev", f"file,id=console,path={serial},append=on", "-serial", "chardev:console",
            "-kernel", str(kernel.vmlinux), "-initrd", str(initramfs), "-append", f"{KERNEL_WORDS} {words}".strip()]


def share(tag: str, folder: Path | str, writable: bool = False) -> list[str]:
    """A folder of this machine over 9p. `remap` keeps inode numbers apart when it spans several file systems."""
    mode = "" if writable else ",readonly=on"
    return ["-fsdev", f"local,id={tag},path={folder},security_model=none,multidevs=remap{mode}",
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def control() -> list[str]:
    """The agent's port, a unix socket in the emulator's working folder: a relative path is always short enough."""
    return ["-chardev", f"socket,id=agent,path={AGENT},server=on,wait=off",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=causeway.agent"]


def monitor() -> list[str]:
    """The emulator's own control."""
    return ["-qmp", f"unix:{MONITOR},server=on,wait=off"]
