# SPDX-License-Identifier: Apache-2.0
"""The gateway tells hosts how they broke the protocol, and other hosts are not affected."""

import struct
from dataclasses import dataclass

import pytest
from gateway_nqn import NQN
from raw_host import (C2H_DATA, C2H_TERM, COMMAND, DDGST, H2C_DATA, H2C_TERM, HDGST, HEADER_DIGEST, INVALID_FIELD, LAST,
                      LIMIT_EXCEEDED, OUT_OF_RANGE, R2T, RESPONSE, SEQUENCE, UNSUPPORTED, Connection, Host, common, connect,
                      connect_data, ic_req, in_capsule, read, transport_sgl, write)


@dataclass
class Wrong:
    sent: bytes
    status: int
    information: int = 0
    header: int | None = None    # bytes of it that come back; else all that was sent, up to 128


FIRST = {
    "a command before ICReq": Wrong(common(COMMAND, 72, 72), SEQUENCE),
    "data before ICReq": Wrong(common(H2C_DATA, 24, 28, pdo=24), SEQUENCE),
    "a type that does not exist": Wrong(common(0x0b, 24, 24), INVALID_FIELD, 0),
    "a type of the controller's": Wrong(common(RESPONSE, 24, 24), INVALID_FIELD, 0),
    "a header of another size": Wrong(common(0, 64, 128), INVALID_FIELD, 2),
    "a PDU of another size": Wrong(common(0, 128, 136), INVALID_FIELD, 4),
    "a digest": Wrong(common(0, 128, 128, flags=HDGST), INVALID_FIELD, 1),
    "another format": Wrong(ic_req(pfv=1), UNSUPPORTED, 8),
    "an alignment that cannot be": Wrong(ic_req(hpda=32), INVALID_FIELD, 10),
    "another protocol": Wrong(b"GET / HTTP/1.1\r\n\r\n", INVALID_FIELD, 0, 8),
}


@pytest.mark.parametrize("wrong", FIRST.values(), ids=FIRST)
def test_a_wrong_first_pdu_ends_the_connection(gateway, wrong):
    with Connection(gateway.address) as broken:
        broken.raw(wrong.sent)
        expect_term_req(broken, wrong)
    assert gateway.counters()["handshakes_refused"] == 1


def expect_term_req(broken: Connection, wrong: Wrong) -> None:
    told = broken.receive()
    while told.kind in (RESPONSE, C2H_DATA, R2T):    # responses to earlier commands
        told = broken.receive()
    assert told.kind == C2H_TERM
    assert told.fatal == (wrong.status, wrong.information)
    assert told.data == wrong.sent[:128 if wrong.header is None else wrong.header]
    assert broken.closed()


def data_pdu(cid, tag, offset, size, *, flags=LAST, said=None, pdo=24, plen=None):
    """An H2CData PDU without digests; only its header where the header alone is refused."""
    return (common(H2C_DATA, 24, plen or 24 + size, flags=flags, pdo=pdo) +
            struct.pack("<HHII4x", cid, tag, offset, size if said is None else said))


LATER = {
    "ICReq again": Wrong(ic_req()[:8], SEQUENCE),
    "a type that does not exist": Wrong(common(0x08, 24, 24), INVALID_FIELD, 0),
    "R2T, as if it were the controller": Wrong(common(R2T, 24, 24), INVALID_FIELD, 0),
    "a command's header of another size": Wrong(common(COMMAND, 68, 72), INVALID_FIELD, 2),
    "a command that is cut": Wrong(common(COMMAND, 72, 60), INVALID_FIELD, 4),
    "more data in a capsule than allowed": Wrong(common(COMMAND, 72, 72 + 8196, pdo=72), INVALID_FIELD, 4),
    "four gigabytes": Wrong(common(COMMAND, 72, 0xffffffff, pdo=72), INVALID_FIELD, 4),
    "data inside the header": Wrong(common(COMMAND, 72, 584, pdo=40), INVALID_FIELD, 3),
    "digests that were not agreed on": Wrong(common(COMMAND, 72, 76, flags=HDGST), INVALID_FIELD, 1),
    "data without an R2T": Wrong(data_pdu(0, 0, 0, 4), INVALID_FIELD, 10),
    "data for a tag that cannot be": Wrong(data_pdu(0, 0xffff, 0, 4), INVALID_FIELD, 10),
    "too much data at once": Wrong(data_pdu(0, 0, 0, 131076)[:8], LIMIT_EXCEEDED),
    "data without data": Wrong(data_pdu(0, 0, 0, 0)[:8], INVALID_FIELD, 4),
}


@pytest.mark.parametrize("wrong", LATER.values(), ids=LATER)
def test_a_wrong_pdu_ends_the_connection(gateway, host, wrong):
    with Host(gateway.address, NQN) as other:
        host.io.send(read(1, 2, 0, 1, 4096))    # answered before the error is reported
        host.io.raw(wrong.sent)
        expect_term_req(host.io, wrong)
        assert len(other.read(0, 1, 512)) == 512
        assert host.admin.call(connect(1), connect_data(NQN)).status != 0    # it lives
    assert gateway.counters()["violations"] == 1


TRANSFERS = {
    "another command's": lambda t: Wrong(data_pdu(t.cid + 1, t.tag, 0, 512), INVALID_FIELD, 8),
    "before its part": lambda t: Wrong(data_pdu(t.cid, t.tag, 4096, 512), OUT_OF_RANGE),
    "more than was asked for": lambda t: Wrong(data_pdu(t.cid, t.tag, 0, 1028), OUT_OF_RANGE),
    "with a hole": lambda t: Wrong(data_pdu(t.cid, t.tag, 512, 512), INVALID_FIELD, 12),
    "a length that is not": lambda t: Wrong(data_pdu(t.cid, t.tag, 0, 512, said=1024), INVALID_FIELD, 16),
    "the last one that is not": lambda t: Wrong(data_pdu(t.cid, t.tag, 0, 512, flags=LAST), INVALID_FIELD, 1),
    "not the last one that is": lambda t: Wrong(data_pdu(t.cid, t.tag, 0, 1024, flags=0), INVALID_FIELD, 1),
    "another part's": lambda t: Wrong(data_pdu(t.cid, t.tag + 1, 0, 512), INVALID_FIELD, 10),
    "for a queue as deep as none": lambda t: Wrong(data_pdu(t.cid, t.tag + 4 * 40, 0, 512), INVALID_FIELD, 10),
}


@pytest.mark.parametrize("wrong", TRANSFERS.values(), ids=TRANSFERS)
def test_wrong_data_pdus_end_the_connection(gateway, host, wrong):
    host.io.send(write(9, 1, 0, 2, transport_sgl(1024)))
    asked = host.io.receive()
    assert asked.kind == R2T
    expected = wrong(asked)
    host.io.raw(expected.sent)
    expect_term_req(host.io, expected)
    with Host(gateway.address, NQN) as other:
        assert other.read(0, 2, 1024) == bytes(1024)    # nothing was written


def test_a_wrong_header_digest_ends_the_connection(gateway):
    with Host(gateway.address, NQN, digests=HDGST | DDGST) as host:
        wrong = host.io.pdu(COMMAND, read(1, 1, 0, 1, 512), spoil=HDGST)
        host.io.raw(wrong)
        expect_term_req(host.io, Wrong(wrong[:72] + wrong[72:76], HEADER_DIGEST, struct.unpack("<I", wrong[72:])[0]))


def test_more_commands_than_the_depth_end_the_connection(gateway):
    with Host(gateway.address, NQN, entries=4) as host:
        # None of them can be answered before its data come.
        host.io.raw(b"".join(host.io.pdu(COMMAND, write(cid, 1, 0, 1, transport_sgl(512))) for cid in range(5)))
        assert host.io.closed()


def test_a_first_command_that_is_not_connect_is_refused(gateway):
    with Connection(gateway.address) as queue:
        queue.initialize()
        assert queue.call(read(1, 1, 0, 1, 512)).status == 0x00c    # Command Sequence Error
        assert queue.call(connect(0), connect_data(NQN)).status == 0


def test_the_term_req_of_a_host_ends_the_connection(gateway, host):
    before = gateway.qpairs()
    host.io.raw(common(H2C_TERM, 24, 24 + 72) + struct.pack("<HI10x", LIMIT_EXCEEDED, 0) + bytes(72))
    assert host.io.closed()
    gateway.await_qpairs(before - 1)
    gateway.await_log("the host ends the connection")
    assert host.admin.call(read(1, 1, 0, 1, 512)).status != 0


def test_a_capsule_that_never_ends_does_not_stop_other_hosts(gateway):
    """Half of the in-capsule data arrives, and then the host disconnects."""
    with Host(gateway.address, NQN) as host:
        host.io.raw(host.io.pdu(COMMAND, write(1, 1, 0, 8, in_capsule(4096)), bytes(4096))[:2000])
    with Host(gateway.address, NQN) as host:
        assert host.read(0, 8, 4096) == bytes(4096)
