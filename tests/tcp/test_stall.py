# SPDX-License-Identifier: Apache-2.0
"""A gateway that was stopped for longer than a host waits: what the host had sent by then is not run when it goes on."""

import struct
import time

import pytest
from daemon import stopped
from gateway_nqn import NQN
from raw_host import R2T, RESPONSE, Closed, Host, in_capsule, transport_sgl, write

INTERRUPTED = 0x21    # Generic: Command Interrupted
OLD, NEW = b"o" * 512, b"n" * 512


def stalls(gateway) -> int:
    return sum(r["stalls"] for r in gateway.call("framework_get_reactors")["reactors"])


def test_writes_that_waited_in_the_socket_are_not_executed(gateway):
    """One host closes its connection, one keeps it, one has sent the first half of a write that needs R2T."""
    with Host(gateway.address, NQN) as gone, Host(gateway.address, NQN) as here, Host(gateway.address, NQN) as slow:
        for lba in range(3):
            here.write(lba, 1, NEW)
        slow.io.send(write(9, 1, 2, 1, transport_sgl(512)))
        asked = slow.io.receive()
        assert asked.kind == R2T
        assert stalls(gateway) == 0
        with stopped(gateway):
            gone.io.send(write(9, 1, 0, 1, in_capsule(512)), OLD)
            gone.io.socket.close()
            here.io.send(write(9, 1, 1, 1, in_capsule(512)), OLD)
            slow.io.send_data(asked, OLD)
        for host in (here, slow):
            answer = host.io.receive()
            assert answer.kind == RESPONSE and answer.status == INTERRUPTED
            assert not struct.unpack_from("<H", answer.header, 22)[0] & 0x8000, "DNR: it could not be sent again"
        assert stalls(gateway) >= 1
        stale = sum(group["stale_commands"] for group in gateway.call("nvmf_get_stats")["poll_groups"])
        assert stale in (2, 3), "the third is of the host that left, and is dropped if its end was seen first"
        for lba in range(3):
            assert here.read(lba, 1, 512) == NEW
        # Who is still there writes on, at once.
        for lba, host in ((1, here), (2, slow)):
            host.write(lba, 1, OLD)
            assert here.read(lba, 1, 512) == OLD


def test_an_idle_gateway_notices_a_stall_too(gateway):
    """The gateway is stopped while its cores sleep."""
    with Host(gateway.address, NQN) as host:
        host.write(0, 1, NEW)
        time.sleep(0.2)    # no event says that a core sleeps
        with stopped(gateway):
            host.io.send(write(9, 1, 0, 1, in_capsule(512)), OLD)
        assert host.io.receive().status == INTERRUPTED
        assert host.read(0, 1, 512) == NEW


def test_a_host_that_had_filled_its_window_is_disconnected(gateway):
    """The host's kernel may hold more data of the same age."""
    with Host(gateway.address, NQN, entries=128) as host:
        host.write(0, 1, NEW)
        with stopped(gateway):
            for cid in range(100):
                host.io.send(write(cid, 1, cid % 8, 8, in_capsule(4096)), b"o" * 4096)
        with pytest.raises(Closed):
            while True:
                assert host.io.receive().status == INTERRUPTED
    with Host(gateway.address, NQN) as host:
        assert host.read(0, 1, 512) == NEW
