# SPDX-License-Identifier: Apache-2.0
"""Checks that several files run on a host with a disk."""

import time

from lab import fio


def live_as_file_system(guest, device: str) -> None:
    """ext4 made, mounted, filled, unmounted and checked."""
    guest.out(f"""set -e
        mkfs.ext4 -q -F -b 4096 {device}
        mkdir -p /mnt/life && mount {device} /mnt/life
        cp -r /etc/apt /etc/init.d /mnt/life
        dd if=/dev/urandom of=/mnt/life/random bs=1M count=8 status=none
        sha256sum /mnt/life/random > /mnt/life/random.sum
        sync && umount /mnt/life""", timeout=120)
    guest.out(f"""mount -o ro {device} /mnt/life
        sha256sum -c /mnt/life/random.sum && diff -r /etc/apt /mnt/life/apt
        rc=$?; umount /mnt/life; exit $rc""", timeout=120)
    guest.out(f"e2fsck -f -n {device}", timeout=120)


def discard_and_write_zeroes(guest, device: str, *, discarded_reads_zero: bool = True) -> None:
    """Discarded and zeroed blocks read as zeroes; the blocks beside them are untouched."""
    guest.out(f"""set -e
        head -c 1M /dev/urandom > /tmp/before
        dd if=/tmp/before of={device} bs=1M oflag=direct status=none
        blkdiscard --zeroout --offset 64K --length 64K {device}
        blkdiscard --offset 256K --length 256K {device}
        dd if={device} of=/out/after bs=1M count=1 iflag=direct status=none
        cp /tmp/before /out/before""")
    before, after = ((guest.share / name).read_bytes() for name in ("before", "after"))
    kib = 1 << 10
    assert after[64 * kib:128 * kib] == bytes(64 * kib)
    if discarded_reads_zero:
        assert after[256 * kib:512 * kib] == bytes(256 * kib)
    for start, end in ((0, 64), (128, 256), (512, 1024)):
        assert after[start * kib:end * kib] == before[start * kib:end * kib]


def check_cluster_holds(lab, guest, served, folder) -> None:
    """The cluster holds what the device reads without the page cache."""
    guest.out(f"dd if={served.device} of=/out/device bs=1M iflag=direct status=none", timeout=120)
    exported = lab.cluster.export_image(served.image, folder / "exported")
    assert exported.read_bytes() == (guest.share / "device").read_bytes()


def restart_under_load(guest, host, gateway, served, end) -> None:
    """The gateway ended by `end` and started again: the load of a patient host waits, and loses nothing."""
    controller = host.controllers(served.nqn)[0]
    load = fio.start_verify(guest, served.device, more=fio.SLOWLY)
    time.sleep(4)
    end()
    host.wait_for_state(controller, "connecting", 30)
    assert load.running
    gateway.restart()
    host.wait_for_state(controller, "live", 90)
    assert fio.outcome(load.wait(180).check().out).read.bytes == 8 << 20
