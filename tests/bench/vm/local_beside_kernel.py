#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""4 KiB random reads of a local NVMe drive: Causeway's driver beside the kernel's, in one guest, each on one virtual CPU.

Two equal emulated controllers behind an IOMMU, with a medium that does nothing: one belongs to the kernel's driver and is read
by fio, the other to ours and is read by nvme_device_bench, on the second of two virtual CPUs. They take turns and change places every
round. (With one virtual CPU alone the emulator leaves memory barriers out, and its controllers, in another thread, miss doorbells.)

Both IOPS and the CPU's time per I/O are measured, for the emulated controller is a thread of the emulator outside and may well be
what limits either. The kernel's CPU time is whatever that virtual CPU was not idle: fio, system calls, the block layer, the driver and interrupts.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab import nvme_slots, places, processes
from lab.guest import Guest
from lab.nvme_slots import Namespace, Slot
from lab.progress import Progress

DEPTHS = (1, 32, 128)
GOAL_DEPTH, GOAL = 32, 2
MIB = 1024
BENCH = "tests/bench/nvme_device_bench"
# The best of the kernel's ways that interrupts: descriptors and buffers registered beforehand, and fio asked for no clock.
FIO = ("fio --name=kernel --rw=randread --bs=4k --direct=1 --ioengine=io_uring --registerfiles --fixedbufs --norandommap --randrepeat=1 "
       "--gtod_reduce=1 --time_based --output-format=json --cpus_allowed=1")
# For the kernel's driver the cheapest: no multipath above it, and no address translation. Ours has that all the same.
WORDS = "nvme_core.multipath=N iommu=pt"
CPU = 1


@dataclass(frozen=True)
class Measurement:
    iops: float
    cpu_us: float          # for an I/O, of the virtual CPU
    emulator: float        # how much of a CPU the emulator's main thread took, where the controllers live

    @property
    def iops_of_a_core(self) -> float:
        return 1e6 / self.cpu_us


def main() -> int:
    wanted = arguments()
    processes.turn_signals_into_interrupts()
    progress = Progress(sys.stderr)
    kernels, ours = Slot("kernels", [Namespace(mib=MIB, null=True)]), Slot("ours", [Namespace(mib=MIB, null=True)])
    try:
        with contextlib.ExitStack() as stack:
            run = stack.enter_context(places.Run("local-beside-kernel"))
            with progress.step("a guest with two NVMe controllers"):
                guest = stack.enter_context(nvme_slots.guest(run.folder / "guest", kernels, ours, logs=run.logs, words=WORDS))
                guest.out("echo 256 > /proc/sys/vm/nr_hugepages && modprobe nvme")
                device = disk(guest, kernels)
                guest.out([nvme_slots.BIND, "bind", ours.address(guest)])
            sides = {"kernel": lambda depth: kernel_side(guest, device, depth, wanted.seconds),
                     "causeway": lambda depth: our_side(guest, ours.address(guest), depth, wanted.seconds)}
            measured = {(side, depth): [] for side in sides for depth in DEPTHS}
            for turn in range(wanted.rounds):
                order = list(sides)[::-1 if turn % 2 else 1]
                with progress.step(f"round {turn + 1} of {wanted.rounds}, {order[0]} first"):
                    for depth in DEPTHS:
                        for side in order:
                            progress.detail = f"{side} {depth}"
                            measured[side, depth].append(sides[side](depth))
            print(f"{wanted.rounds} rounds of {wanted.seconds:g} s; medians, and from the lowest to the highest\n")
            print(table(measured))
            complaints = guest.kernel_complaints() + guest.iommu_faults()
            print(complaints, end="", file=sys.stderr)
            return 1 if complaints else 0
    except KeyboardInterrupt:
        return 130


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each at each depth (default: 5)")
    parser.add_argument("--seconds", type=float, default=4, help="seconds of each measurement (default: 4)")
    return parser.parse_args()


def disk(guest: Guest, slot: Slot) -> str:
    return guest.until(f"""
        name=$(ls /sys/bus/pci/devices/{slot.address(guest)}/nvme/nvme*/ | grep -x 'nvme[0-9]*n1') && [ -b /dev/$name ] && echo $name
        """).out.strip()


def kernel_side(guest: Guest, device: str, depth: int, seconds: float) -> Measurement:
    """fio runs for longer than is looked at: neither its start nor its report counts."""
    look = f"cut -d' ' -f1 /proc/uptime; awk '/^cpu{CPU} / {{ print $5 + $6 }}' /proc/stat; awk '{{ print $1 }}' /sys/block/{device}/stat"
    load = guest.start(f"{FIO} --filename=/dev/{device} --iodepth={depth} --runtime={seconds + 3:g} > /dev/null")
    guest.until(f"[ $(awk '{{ print $1 }}' /sys/block/{device}/stat) -gt {reads(guest, device) + 1000} ]")
    with emulator(guest) as busy:
        before, after = (list(map(float, part.split()))
                         for part in guest.out(f"{look}; sleep {seconds}; echo --; {look}", timeout=seconds + 60).split("--"))
    load.wait(seconds + 60).check()
    wall, idle, done = (b - a for a, b in zip(before, after))
    return Measurement(done / wall, 1e6 * (wall - idle / TICKS) / done, busy())


def reads(guest: Guest, device: str) -> int:
    return int(guest.out(f"awk '{{ print $1 }}' /sys/block/{device}/stat"))


def our_side(guest: Guest, address: str, depth: int, seconds: float) -> Measurement:
    load = f"{places.binary(BENCH)} --lcores 0@{CPU} --traddr {address} --bytes 4096 --depth {depth} --ramp 1 --seconds {seconds}"
    with emulator(guest) as busy:
        said = json.loads(guest.out(load, timeout=seconds + 60))
    if said["failed"]:
        raise RuntimeError(f"{said['failed']} reads failed")
    return Measurement(said["iops"], said["cpu_us_per_io"], busy())


TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def emulator(guest: Guest):
    """A function that says, afterwards, how much of a CPU the emulator's main thread took during the block."""
    def now() -> tuple[float, float]:
        fields = Path(f"/proc/{guest.emulator.pid}/task/{guest.emulator.pid}/stat").read_text().rpartition(")")[2].split()
        return os.times().elapsed, (int(fields[11]) + int(fields[12])) / TICKS

    before = now()
    after = []
    yield lambda: (after[1] - before[1]) / (after[0] - before[0])
    after += now()


def table(measured: dict[tuple[str, int], list[Measurement]]) -> str:
    lines = [f"{'depth':>5}  {'driver':10}{'IOPS':>28}{'CPU µs per I/O':>26}{'IOPS of a core':>16}{'emulator':>10}"]
    for depth in DEPTHS:
        for side in ("kernel", "causeway"):
            got = measured[side, depth]
            lines.append(f"{depth:5}  {side:10}{spread([m.iops for m in got], '.0f'):>28}{spread([m.cpu_us for m in got], '.1f'):>26}"
                         f"{statistics.median(m.iops_of_a_core for m in got):16.0f}{statistics.median(m.emulator for m in got):10.0%}")
        rounds = [b.iops_of_a_core / a.iops_of_a_core for a, b in zip(measured["kernel", depth], measured["causeway", depth])]
        missed = depth == GOAL_DEPTH and statistics.median(rounds) < GOAL
        lines.append(f"{'':7}causeway's of a core, of the kernel's: {spread(rounds, '.2f')}" + (f"  below {GOAL}" if missed else ""))
    return "\n".join(lines)


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}}  ({min(values):{form}} .. {max(values):{form}})"


if __name__ == "__main__":
    sys.exit(main())
