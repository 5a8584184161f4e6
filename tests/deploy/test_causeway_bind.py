# SPDX-License-Identifier: Apache-2.0
"""deploy/causeway-bind: what it refuses, its messages, that a refusal changes nothing, and what it does otherwise."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from machine import Machine    # noqa: E402

A, B, OTHER = "0000:01:00.0", "0000:02:00.0", "0000:00:1f.2"


@pytest.fixture
def machine(tmp_path) -> Machine:
    """One NVMe controller with one disk, another without any, each in an IOMMU group of its own."""
    made = Machine(tmp_path)
    made.pci(A, group=1)
    made.disk(A)
    made.pci(B, group=2)
    return made


@pytest.fixture
def run(tool, machine, monkeypatch, capsys):
    """`run("bind", A)`: the exit status, and what it said."""
    monkeypatch.setattr(tool, "device_of_file", machine.device_of_file)
    monkeypatch.setattr(tool, "write", machine.written)
    monkeypatch.setattr(tool.os, "open", machine.opened)

    def run(*words: str) -> tuple[int, str]:
        status = tool.main(list(words), tool.System(machine.root))
        said = capsys.readouterr()
        return status, said.out + said.err
    return run


def number(machine: Machine, name: str = "nvme0n1") -> str:
    return (machine.root / "sys/class/block" / name / "dev").read_text()


def mounted(machine):
    machine.mount(number(machine), "/srv")


def mounted_with_a_space(machine):
    machine.mount(number(machine), "/srv/two\\040words")


def root(machine):
    machine.mount(number(machine), "/")


def mounted_by_another_name(machine):
    machine.mount(number(machine), "/srv", source="/dev/disk/by-label/data")


def mounted_in_a_container(machine):
    machine.process(77, "container")
    machine.mount(number(machine), "/", pid=77)


def partition_mounted(machine):
    machine.mount(machine.partition("nvme0n1", "nvme0n1p1"), "/boot")


def root_on_lvm(machine):
    machine.partition("nvme0n1", "nvme0n1p2")
    machine.mount(machine.stacked("dm-0", "nvme0n1p2"), "/")


def lvm_on_md_mounted(machine):
    machine.stacked("md0", "nvme0n1")
    machine.mount(machine.stacked("dm-0", "md0"), "/srv")


def md_not_mounted(machine):
    machine.stacked("md0", "nvme0n1")


def bcache(machine):
    machine.mount(machine.stacked("bcache0", "nvme0n1"), "/srv")


def swap(machine):
    machine.swap("/dev/nvme0n1")


def swap_on_a_partition(machine):
    machine.partition("nvme0n1", "nvme0n1p3")
    machine.swap("/dev/nvme0n1p3")


def swap_by_another_name(machine):
    machine.file("dev/disk/by-label/swap", f"block {number(machine)}")
    machine.swap("/dev/disk/by-label/swap")


def second_disk_mounted(machine):
    machine.mount(machine.disk(A, "nvme0n2"), "/srv")


def multipath_head_mounted(machine):
    machine.mount(machine.multipath_disk(A, "nvme3c0n1", "nvme3n1"), "/srv")


def multipath_without_its_head(machine):
    (machine.root / machine.device(A) / "nvme/nvme0/nvme3c0n1").mkdir()


def claimed(machine):
    machine.claimed.add(number(machine))


def opened(machine):
    machine.process(77, "database")
    machine.open(77, f"block {number(machine)}")


def controller_opened(machine):
    machine.file(f"{machine.device(A)}/nvme/nvme0/dev", "245:0")
    machine.process(77, "nvme")
    machine.open(77, "char 245:0")


def generic_opened(machine):
    machine.file(f"{machine.device(A)}/nvme/nvme0/ng0n1/dev", "237:0")
    machine.process(77, "uring-app")
    machine.open(77, "char 237:0")


def nvmet(machine):
    machine.file("sys/kernel/config/nvmet/subsystems/disks/namespaces/1/device_path", "/dev/nvme0n1")
    machine.file("sys/kernel/config/nvmet/subsystems/disks/namespaces/1/enable", "1")


def loop(machine):
    machine.file("sys/block/loop0/loop/backing_file", "/dev/nvme0n1")


def another_device_by_that_name(machine):
    machine.file("dev/nvme0n1", "block 8:0")


def no_device_file(machine):
    (machine.root / "dev/nvme0n1").unlink()


def no_iommu(machine):
    (machine.root / machine.device(A) / "iommu_group").unlink()


def vfio_without_iommu(machine):
    machine.file("sys/kernel/iommu_groups/1/name", "vfio-noiommu")


def group_shared_with_a_used_device(machine):
    machine.pci(OTHER, kind="0x010601", driver="ahci", group=None)
    (machine.root / "sys/kernel/iommu_groups/1/devices" / OTHER).mkdir()


def uio(machine):
    machine.drive(A, "uio_pci_generic")


def no_nvme(machine):
    machine.file(f"{machine.device(A)}/class", "0x020000")


@pytest.mark.parametrize("situation, reason", [
    (mounted, "nvme0n1 is mounted at /srv"),
    (mounted_with_a_space, "nvme0n1 is mounted at /srv/two words"),
    (root, "nvme0n1 holds the root file system"),
    (mounted_by_another_name, "nvme0n1 is mounted at /srv"),
    (mounted_in_a_container, "nvme0n1 is mounted at / (as process 77 sees it)"),
    (partition_mounted, "nvme0n1p1 on nvme0n1 is mounted at /boot"),
    (root_on_lvm, "dm-0 on nvme0n1 holds the root file system"),
    (lvm_on_md_mounted, "dm-0 on nvme0n1 is mounted at /srv"),
    (md_not_mounted, "nvme0n1 is part of md0"),
    (bcache, "bcache0 on nvme0n1 is mounted at /srv"),
    (swap, "nvme0n1 is swap"),
    (swap_on_a_partition, "nvme0n1p3 on nvme0n1 is swap"),
    (swap_by_another_name, "nvme0n1 is swap"),
    (second_disk_mounted, "nvme0n2 is mounted at /srv"),
    (multipath_head_mounted, "nvme3n1 is mounted at /srv"),
    (multipath_without_its_head, "nvme3c0n1 belongs to no disk that can be looked at"),
    (claimed, "nvme0n1 is in use: something holds it exclusively"),
    (opened, "database (process 77) has it open"),
    (controller_opened, "nvme (process 77) has it open"),
    (generic_opened, "uring-app (process 77) has it open"),
    (nvmet, "nvme0n1 is exported by the kernel's NVMe target (subsystem disks)"),
    (loop, "nvme0n1 is behind loop0"),
    (another_device_by_that_name, "is another device than nvme0n1"),
    (no_device_file, "cannot be opened to see whether it is in use: No such file or directory"),
    (no_iommu, "no IOMMU stands before it"),
    (vfio_without_iommu, "no IOMMU stands before it"),
    (group_shared_with_a_used_device, f"it shares IOMMU group 1 with {OTHER}, which the kernel uses with ahci"),
    (uio, "it is driven by uio_pci_generic"),
    (no_nvme, "it is not an NVMe controller: its class is 0x020000"),
], ids=lambda value: value.__name__ if callable(value) else "")
def test_bind_is_refused(machine, run, situation, reason):
    """With the reason, and the other controller of the call stays where it is, too."""
    situation(machine)
    before = machine.content()
    status, said = run("bind", B, A)
    assert (status, said.startswith(f"causeway-bind: {A}: ")) == (1, True), said
    assert reason in said
    assert machine.content() == before


def test_a_missing_device_is_refused(run):
    status, said = run("bind", "0000:09:00.0")
    assert (status, said) == (1, "causeway-bind: 0000:09:00.0: there is no such PCI device\n")


def test_an_invalid_address_is_a_usage_error(run):
    with pytest.raises(SystemExit, match="2"):
        run("bind", "nvme0")


def test_bind_and_unbind(machine, run):
    assert run("bind", A, B)[0] == 0
    assert {driver(machine, address) for address in (A, B)} == {"vfio-pci"}
    assert run("bind", A) == (0, f"{A} is with vfio-pci already\n")
    assert run("unbind", A, B)[0] == 0
    assert {driver(machine, address) for address in (A, B)} == {"nvme"}
    assert (machine.root / machine.device(A) / "driver_override").read_text() == "\n"
    assert run("unbind", A) == (0, f"{A} is with nvme already\n")


def test_an_address_may_be_written_as_lspci_prints_it(machine, run):
    assert run("bind", "01:00.0")[0] == 0
    assert driver(machine, A) == "vfio-pci"


def test_a_process_that_reads_from_a_device_beside_it_does_not_matter(machine, run):
    machine.process(77, "other")
    machine.open(77, "block 8:0")
    machine.mount("8:0", "/")
    assert run("bind", A)[0] == 0


def test_two_controllers_of_one_group_are_bound_together_or_not_at_all(machine, run):
    machine.pci(OTHER, group=None)
    (machine.root / "sys/kernel/iommu_groups/1/devices" / OTHER).mkdir()
    (machine.root / machine.device(OTHER) / "iommu_group").symlink_to(machine.root / "sys/kernel/iommu_groups/1")
    assert f"shares IOMMU group 1 with {OTHER}" in run("bind", A)[1]
    assert run("bind", A, OTHER)[0] == 0


def test_two_paths_to_one_disk_are_bound_together(machine, run):
    machine.multipath_disk(A, "nvme3c0n1", "nvme3n1")
    (machine.root / machine.device(B) / "nvme/nvme1/nvme3c1n1").mkdir(parents=True)
    assert run("bind", A, B)[0] == 0


def test_all_are_given_back_if_vfio_does_not_take_one(machine, run):
    machine.refuses.add(B)
    status, said = run("bind", A, B)
    assert (status, said) == (1, f"causeway-bind: {B}: vfio-pci did not take it; `dmesg` may say why\n")
    assert {driver(machine, address) for address in (A, B)} == {"nvme"}


def test_unbind_is_refused_while_a_process_has_the_group(machine, run):
    assert run("bind", A)[0] == 0
    machine.file("sys/class/vfio/1/dev", "511:0")
    machine.process(77, "causewayd")
    machine.open(77, "char 511:0")
    before = machine.content()
    assert run("unbind", A) == (1, f"causeway-bind: {A}: causewayd (process 77) has IOMMU group 1 open\n")
    assert machine.content() == before


def test_unbind_is_refused_while_something_unseen_has_the_group(machine, run):
    assert run("bind", A)[0] == 0
    machine.file("dev/vfio/1", "char 511:0")
    machine.held_groups.add("1")
    before = machine.content()
    status, said = run("unbind", A)
    assert status == 1 and "has " in said and "dev/vfio/1 open" in said
    assert machine.content() == before


def test_unbind_is_refused_for_other_devices(machine, run):
    machine.pci(OTHER, kind="0x010601", driver="vfio-pci", group=3)
    assert run("unbind", OTHER)[0] == 1
    assert driver(machine, OTHER) == "vfio-pci"


def test_status_shows_each_controller_and_why_it_cannot_be_bound(machine, run):
    machine.mount(number(machine), "/")
    machine.pci(OTHER, kind="0x010601", driver="ahci", group=3)
    assert run("bind", B)[0] == 0
    status, said = run("status")
    assert status == 0
    assert [line.split(maxsplit=3) for line in said.splitlines()[1:]] == [
        [A, "nvme", "1", "nvme0n1 holds the root file system"], [B, "vfio-pci", "2", "free for Causeway"]]


def driver(machine: Machine, address: str) -> str:
    return (machine.root / machine.device(address) / "driver").resolve().name
