# SPDX-License-Identifier: Apache-2.0
"""The gateway's answers to a host that keeps to NVMe over TCP, byte by byte."""

import os
import struct

import pytest
from gateway_nqn import NQN
from raw_host import (C2H_DATA, COMMAND, DDGST, FLUSH, HDGST, LAST, R2T, RESPONSE, SUCCESS, Connection, Host, command, connect,
                      connect_data, ic_req, in_capsule, read, transport_sgl, write)

DIGESTS = {"none": 0, "header": HDGST, "data": DDGST, "both": HDGST | DDGST}


@pytest.mark.parametrize("digests", DIGESTS.values(), ids=DIGESTS)
def test_written_data_reads_back(gateway, digests):
    with Host(gateway.address, NQN, digests=digests) as host:
        assert host.io.agreed == digests
        small, large = os.urandom(4096), os.urandom(131072)
        host.io.send(write(1, 1, 8, 8, in_capsule(4096)), small)
        assert host.io.receive().status == 0
        host.write(1000, 256, large)
        assert host.read(8, 8, 4096) == small
        assert host.read(1000, 256, 131072) == large
        assert host.io.call(command(FLUSH, 9, nsid=1)).status == 0


@pytest.mark.parametrize("digests", (0, HDGST | DDGST), ids=("plain", "digests"))
def test_pdus_may_arrive_in_single_bytes(gateway, digests):
    with Host(gateway.address, NQN, digests=digests) as host:
        data = os.urandom(512)
        stream = host.io.pdu(COMMAND, write(1, 1, 5, 1, in_capsule(512)), data) + host.io.pdu(COMMAND, read(2, 1, 5, 1, 512))
        for byte in stream:
            host.io.raw(bytes([byte]))
        assert host.io.receive().status == 0
        assert host.io.receive().data == data


def test_pdus_may_arrive_all_at_once(host):
    data = [os.urandom(512) for _ in range(30)]
    stream = b"".join(host.io.pdu(COMMAND, write(n, 1, n, 1, in_capsule(512)), d) for n, d in enumerate(data))
    host.io.raw(stream)
    assert sorted(host.io.receive().cid for _ in data) == list(range(30))
    for n, d in enumerate(data):
        assert host.read(n, 1, 512) == d


@pytest.mark.parametrize("hpda", (0, 1, 7, 31))
def test_data_begins_at_the_alignment_that_the_host_asked_for(gateway, hpda):
    with Host(gateway.address, NQN, hpda=hpda, digests=HDGST) as host:
        host.io.send(read(3, 2, 0, 1, 4096))
        begin = host.io._exactly(8)
        assert begin[0] == C2H_DATA
        assert begin[3] % ((hpda + 1) * 4) == 0 and begin[3] >= 28
        assert struct.unpack_from("<I", begin, 4)[0] == begin[3] + 4096


def test_a_read_needs_no_response_if_the_host_disables_flow_control(gateway):
    with Host(gateway.address, NQN, flow_control=False) as host:
        host.io.send(read(3, 2, 0, 1, 4096))
        answer = host.io.receive()
        assert answer.kind == C2H_DATA and answer.flags == LAST | SUCCESS
    with Host(gateway.address, NQN) as host:
        host.io.send(read(3, 2, 0, 1, 4096))
        assert host.io.receive().flags == LAST
        answer = host.io.receive()
        assert answer.kind == RESPONSE and answer.status == 0


def test_the_success_flag_can_be_switched_off(new_gateway):
    gateway = new_gateway(c2h_success=False)
    with Host(gateway.address, NQN, flow_control=False) as host:
        host.io.send(read(3, 2, 0, 1, 4096))
        assert host.io.receive().flags == LAST
        assert host.io.receive().kind == RESPONSE


@pytest.mark.parametrize("maxr2t, at_a_time", ((0, 1), (1, 2), (7, 4)))
def test_a_long_write_is_requested_by_several_r2ts(new_gateway, maxr2t, at_a_time):
    gateway = new_gateway(max_io_size=1048576)
    with Host(gateway.address, NQN, maxr2t=maxr2t) as host:
        data = os.urandom(1048576)
        host.io.send(write(4, 1, 0, 2048, transport_sgl(len(data))))
        asked, open_parts = 0, []
        while asked < 8 or open_parts:
            while asked < 8 and len(open_parts) < at_a_time:
                part = host.io.receive()
                assert part.kind == R2T and part.extent == (asked * 131072, 131072)
                assert part.tag not in {p.tag for p in open_parts}
                open_parts.append(part)
                asked += 1
            part = open_parts.pop(0)
            begin, length = part.extent
            half = length // 2
            host.io.send_data(part, data[begin:begin + half], flags=0)
            host.io.send_data(part, data[begin + half:begin + length], offset=begin + half)
        assert host.io.receive().status == 0
        assert host.read(0, 2048, len(data)) == data


def test_r2ts_may_be_answered_in_any_order(new_gateway):
    gateway = new_gateway(max_io_size=1048576)
    with Host(gateway.address, NQN, maxr2t=3) as host:
        data = os.urandom(524288)
        host.io.send(write(4, 1, 0, 1024, transport_sgl(len(data))))
        parts = [host.io.receive() for _ in range(4)]
        for part in reversed(parts):
            begin, length = part.extent
            host.io.send_data(part, data[begin:begin + length])
        assert host.io.receive().status == 0
        assert host.read(0, 1024, len(data)) == data


@pytest.mark.parametrize("spoiled", ("capsule", "transfer"))
def test_a_wrong_data_digest_fails_one_command(gateway, spoiled):
    with Host(gateway.address, NQN, digests=HDGST | DDGST) as host:
        old = os.urandom(512)
        host.write(7, 1, old)
        if spoiled == "capsule":
            host.io.send(write(1, 1, 7, 1, in_capsule(512)), os.urandom(512), spoil=DDGST)
        else:
            host.io.send(write(1, 1, 7, 1, transport_sgl(512)))
            host.io.send_data(host.io.receive(), os.urandom(512), spoil=DDGST)
        answer = host.io.receive()
        assert answer.status == 0x022    # Transient Transport Error
        assert host.read(7, 1, 512) == old


TRANSFERS = {
    "too short": (read(5, 1, 0, 8, 2048), 0x00f),               # Data SGL Length Invalid
    "longer is good": (read(5, 1, 0, 1, 8192), None),
    "data toward the capsule": (command(2, 5, nsid=1, sgl=in_capsule(512), cdw10=bytes(12)), 0x002),
    "an address of memory": (command(1, 5, nsid=1, sgl=struct.pack("<QI3sB", 0, 512, bytes(3), 0), cdw10=bytes(12)), 0x011),
    "capsule data that are not there": (write(5, 1, 0, 1, in_capsule(512)), 0x00f),
    "an offset behind the capsule": (write(5, 1, 0, 1, in_capsule(512, offset=8)), 0x016),
    "no SGL": (command(2, 5, nsid=1, flags=0, cdw10=bytes(12)), 0x002),
}


@pytest.mark.parametrize("sqe, status", TRANSFERS.values(), ids=TRANSFERS)
def test_wrong_data_pointers_get_a_status(host, sqe, status):
    host.io.send(sqe)
    answer = host.io.receive()
    if status is None:
        assert answer.kind == C2H_DATA and len(answer.data) == 512
        answer = host.io.receive()
    assert answer.kind == RESPONSE and answer.status == (status or 0)
    assert len(host.read(0, 1, 512)) == 512    # and all goes on


def test_a_queue_has_the_depth_that_the_host_asked_for(gateway):
    with Host(gateway.address, NQN, entries=128) as host:
        for cid in range(127):
            host.io.send(read(cid, 2, cid, 1, 4096))
        seen = set()
        while len(seen) < 127:
            answer = host.io.receive()
            if answer.kind == RESPONSE:
                seen.add(answer.cid)


def test_a_deeper_queue_than_offered_is_refused(gateway):
    with Connection(gateway.address) as admin:
        admin.initialize()
        answer = admin.call(connect(0, entries=1024), connect_data(NQN))
        assert answer.status == 0x182    # Connect Invalid Parameters


def test_connect_data_may_come_after_an_r2t(gateway):
    with Connection(gateway.address) as admin:
        admin.initialize()
        sqe = bytearray(connect(0, 3))
        sqe[24:40] = transport_sgl(1024)
        admin.send(bytes(sqe))
        asked = admin.receive()
        assert asked.kind == R2T
        admin.send_data(asked, connect_data(NQN))
        assert admin.receive().status == 0


def test_a_host_connects_over_ipv6(new_gateway):
    gateway = new_gateway(traddr="::1")
    with Host(gateway.address, NQN) as host:
        host.write(0, 1, bytes(512))


def test_a_listener_may_be_at_all_addresses(gateway):
    port = gateway.listen("0.0.0.0")
    with Connection(("127.0.0.1", port)) as admin:
        admin.initialize()
        assert admin.call(connect(0), connect_data(NQN)).status == 0


def test_an_address_can_be_used_by_one_port_only(gateway, new_gateway):
    from daemon import RpcError
    other = new_gateway()
    with pytest.raises(RpcError) as refused:
        other.call("nvmf_subsystem_add_listener", nqn=NQN, listen_address={
            "trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(gateway.address[1])})
    assert "in use" in refused.value.message


def test_the_options_of_a_transport_are_saved(new_gateway):
    gateway = new_gateway(acceptor_backlog=7, c2h_success=False)
    [made] = [c["params"] for c in gateway.call("framework_get_config", name="nvmf") if c["method"] == "nvmf_create_transport"]
    assert (made["acceptor_backlog"], made["c2h_success"]) == (7, False)
