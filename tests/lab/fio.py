"""Load from fio in a guest: verified, or measured."""

import json
from dataclasses import dataclass

from .guest import Guest
from .channel import Process


@dataclass(frozen=True)
class Figures:
    """What one direction did."""
    iops: float
    mean_us: float
    p99_us: float
    bytes: int

    @classmethod
    def of(cls, side: dict) -> "Figures":
        percentiles = side["clat_ns"].get("percentile", {})
        return cls(side["iops"], side["lat_ns"]["mean"] / 1e3, percentiles.get("99.000000", 0) / 1e3, side["io_bytes"])


@dataclass(frozen=True)
class Outcome:
    read: Figures
    write: Figures


def command(device: str, *, rw: str, bs: str, depth: int, size: str = "", more: str = "", name: str = "job") -> str:
    return (f"fio --name={name} --filename={device} --rw={rw} --bs={bs} --iodepth={depth} --direct=1 --ioengine=libaio "
            f"--norandommap --randrepeat=1 --output-format=json {f'--size={size}' if size else ''} {more}")


def verified(device: str, *, rw: str = "randwrite", bs: str = "4k", depth: int = 8, size: str = "8m", more: str = "") -> str:
    """Writes, then reads all of it back; every block carries its crc32c, and the first wrong one ends the job."""
    verify = "--verify=crc32c --do_verify=1 --verify_fatal=1 --serialize_overlap=1"
    return command(device, rw=rw, bs=bs, depth=depth, size=size, more=f"{verify} {more}").replace("--norandommap ", "")


def outcome(text: str) -> Outcome:
    """Reads fio's JSON, past the warnings it may print before."""
    job = json.loads(text[text.index("{"):])["jobs"][0]
    return Outcome(Figures.of(job["read"]), Figures.of(job["write"]))


def verify(guest: Guest, device: str, timeout: float = 120, **how) -> Outcome:
    return outcome(guest.out(verified(device, **how), timeout))


def start_verify(guest: Guest, device: str, **how) -> Process:
    """Verified load in the background; `outcome(process.wait().check().out)` when it is done."""
    return guest.start(verified(device, **how))


def measure(guest: Guest, device: str, *, rw: str = "randread", bs: str = "4k", depth: int = 32, seconds: int = 5, size: str = "") -> Outcome:
    return outcome(guest.out(command(device, rw=rw, bs=bs, depth=depth, size=size, more=f"--time_based --runtime={seconds} --ramp_time=1"),
                             seconds + 60))
