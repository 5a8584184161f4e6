# SPDX-License-Identifier: Apache-2.0
"""Two hosts of a stock kernel fence each other with reservations, by nvme-cli."""

import json

import pytest

from lab import disk
from lab.fabric import TCP
from lab.gateway import Gateway
from lab.guest import Guest
from lab.initiator import Initiator, Target
from lab.machine import Machine

pytestmark = pytest.mark.over(TCP)    # the rest is below any fabric

NQN = "nqn.2024-01.io.causeway:reserved"
CONFLICT = "Invalid exchange"    # EBADE: what the kernel makes of Reservation Conflict
KEYS = 1, 2
WE, EA, WE_RO, EA_RO, WE_AR, EA_AR = range(1, 7)


class Host:
    """A disk as one host has it, and the key that it registers."""

    def __init__(self, machine: Machine, target: Target, key: int):
        self.machine, self.key = machine, key
        self._initiator = Initiator(machine)
        self.device = self._initiator.connect(target)

    def nvme(self, command: str) -> None:
        self.machine.out(f"nvme {command}".format(device=self.device, key=self.key))

    def register(self) -> None:
        self.nvme("resv-register {device} --nrkey={key} --rrega=0")

    def unregister(self) -> None:
        self.nvme("resv-register {device} --crkey={key} --rrega=1")

    def acquire(self, kind: int) -> None:
        self.nvme(f"resv-acquire {{device}} --crkey={{key}} --rtype={kind} --racqa=0")

    def preempt_and_abort(self, kind: int, key: int) -> None:
        self.nvme(f"resv-acquire {{device}} --crkey={{key}} --prkey={key} --rtype={kind} --racqa=2")

    def release(self, kind: int) -> None:
        self.nvme(f"resv-release {{device}} --crkey={{key}} --rtype={kind} --rrela=0")

    def report(self) -> dict:
        return json.loads(self.machine.out(f"nvme resv-report {self.device} --eds -o json"))

    def may(self, command: str) -> bool:
        """Anything but success and a conflict is a failure."""
        done = self.machine.run(command)
        assert done.ok or CONFLICT in done.out + done.err, done
        return done.ok

    def may_read(self) -> bool:
        return self.may(f"dd if={self.device} of=/dev/null bs=4096 count=1 iflag=direct status=none")

    def may_write(self) -> bool:
        return self.may(f"dd if=/dev/zero of={self.device} bs=4096 count=1 oflag=direct conv=notrunc status=none")

    def leave(self) -> None:
        self._initiator.disconnect(NQN)


@pytest.fixture
def hosts(lab, guest: Guest, gateway: Gateway):
    gateway.tell("bdev_malloc_create", {"name": "reserved", "num_blocks": 4096, "block_size": 4096})
    near = gateway.add_subsystem(NQN, "reserved")
    far = gateway.add_listener(Target(NQN, guest.address, near.port, near.fabric))
    with lab.new_guest(smp=1, memory="1G") as far_guest:
        both = Host(guest, near, KEYS[0]), Host(far_guest, far, KEYS[1])
        yield both
        for host in both:
            host.leave()
    gateway.remove_subsystem(NQN)
    gateway.tell("bdev_malloc_delete", {"name": "reserved"})


TYPES = (
    # type, what another host may: read and write as no registrant, read and write as one
    (WE, (True, False), (True, False)),
    (EA, (False, False), (False, False)),
    (WE_RO, (True, False), (True, True)),
    (EA_RO, (False, False), (True, True)),
    (WE_AR, (True, False), (True, True)),
    (EA_AR, (False, False), (True, True)),
)


def test_two_hosts_fence_each_other(hosts):
    holder, other = hosts
    holder.register()
    for kind, stranger, registrant in TYPES:
        holder.acquire(kind)
        assert holder.report()["rtype"] == kind
        assert holder.may_read() and holder.may_write(), kind
        assert (other.may_read(), other.may_write()) == stranger, kind
        other.register()
        assert (other.may_read(), other.may_write()) == registrant, kind
        other.unregister()
        holder.release(kind)
        assert other.may_write(), kind

    holder.acquire(EA)
    other.register()
    other.preempt_and_abort(WE, holder.key)
    assert other.may_write()
    assert holder.may_read() and not holder.may_write()
    assert other.report()["regctl"] == 1
    other.unregister()
    assert holder.may_write()


def test_an_image_offers_them(lab, gateway, host, own_name):
    """They are kept in its pool: tests/ceph has several gateways enforce them."""
    served = disk.attach(lab, gateway, host, own_name)
    assert json.loads(host.machine.out(f"nvme id-ns {served.device} -o json"))["rescap"] == 0xff
    host.machine.out(f"nvme resv-register {served.device} --nrkey=1 --rrega=0")
    assert json.loads(host.machine.out(f"nvme resv-report {served.device} --eds -o json"))["regctl"] == 1
    host.machine.out(f"nvme resv-register {served.device} --crkey=1 --rrega=1")
    disk.withdraw(lab, gateway, host, served)
