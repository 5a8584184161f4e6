#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the fuzzers' first inputs: what a good host sends, for them to spoil.

    seeds.py FOLDER     FOLDER/<fuzzer>/<what it is>
"""

import struct
import sys
from pathlib import Path

ADDRESS, INVALIDATE = 0x40, 0x4f    # keyed data block
OFFSET = 0x01                       # data block in the capsule
LAST_SEGMENT = 0x31

IO, ADMIN, FRESH = 0, 3, 5
AT_ONCE = 0x08                      # the next capsule follows without a turn in between
RAW = 0x30                          # keys and addresses are off by what the capsule says
FRESH_ADMIN = 0x40

NQN = b"nqn.2024-01.io.causeway:fuzz"
HOST = b"nqn.2014-08.org.nvmexpress:uuid:44444444-4444-4444-4444-444444444444"
THE_CNTLID = 0xeeee                 # the fuzzer puts the controller's there


def keyed(length, offset=0, kind=ADDRESS, key=0):
    return struct.pack("<Q", offset) + length.to_bytes(3, "little") + struct.pack("<IB", key, kind)


def in_capsule(length, offset=0, kind=OFFSET):
    return struct.pack("<QI3xB", offset, length, kind)


def command(opcode, sgl=bytes(16), nsid=1, cid=1, flags=0x40, dwords=(), mptr=0):
    dwords = tuple(dwords) + (0,) * (6 - len(dwords))
    return struct.pack("<BBHIIIQ", opcode, flags, cid, nsid, 0, 0, mptr) + sgl + struct.pack("<6I", *dwords)


def fabrics(kind, sgl=bytes(16), cid=1, rest=b""):
    return struct.pack("<BBHB19x", 0x7f, 0x40, cid, kind) + sgl + rest.ljust(24, b"\0")


def capsule(data, to=IO, how=0, zeros=0):
    return struct.pack("<BHH", to | how, len(data), zeros) + data


def memory(offset, data):
    return b"".join(struct.pack("<B", 6) + (offset + at).to_bytes(3, "little") + bytes([len(data[at:at + 255])])
                    + data[at:at + 255] for at in range(0, len(data), 255))


def blocks(opcode, lba, count, sgl, **how):
    return command(opcode, sgl, dwords=(lba & 0xffffffff, lba >> 32, count - 1), **how)


def read(lba, count, sgl, **how):
    return blocks(2, lba, count, sgl, **how)


def write(lba, count, sgl, **how):
    return blocks(1, lba, count, sgl, **how)


def connect(qid, cntlid, sqsize=15, kato=0):
    data = b"\x55" * 16 + struct.pack("<H", cntlid)
    said = fabrics(1, keyed(1024, 4096), rest=struct.pack("<HHHBxI", 0, qid, sqsize, 0, kato))
    return (memory(4096, data) + memory(4096 + 256, NQN) + memory(4096 + 512, HOST)
            + capsule(said, FRESH, FRESH_ADMIN if qid == 0 else 0))


REGISTER, REPORT, ACQUIRE, RELEASE = 0xd, 0xe, 0x11, 0x15


def reservation(opcode, how, first=0, second=0, nsid=1, cid=1):
    """With its data in the host's memory; `how` is Command Dword 10."""
    return memory(64, struct.pack("<QQ", first, second)) + capsule(
        command(opcode, keyed(8 if opcode == RELEASE else 16, 64), nsid=nsid, cid=cid, dwords=(how,)))


def reservations():
    report = capsule(command(REPORT, keyed(4096), dwords=(1023, 1)))
    for kind in range(1, 7):
        yield f"reserve_{kind}", (reservation(REGISTER, 0, 0, 5) + reservation(ACQUIRE, kind << 8, 5) + report
                                  + reservation(RELEASE, kind << 8, 5) + reservation(REGISTER, 1, 5))
    yield "reserve_in_capsule", (capsule(command(REGISTER, in_capsule(16)) + struct.pack("<QQ", 0, 5))
                                 + capsule(command(RELEASE, in_capsule(8), dwords=(1,)) + struct.pack("<Q", 5)))
    yield "reserve_preempt", (reservation(REGISTER, 0, 0, 5) + reservation(ACQUIRE, 1 << 8, 5) + reservation(ACQUIRE, 0x102, 5, 5)
                              + reservation(ACQUIRE, 0x501, 5, 5) + reservation(REGISTER, 0x0a, 0, 6) + report
                              + reservation(RELEASE, 1, 6))
    yield "reserve_persistently", (reservation(REGISTER, 3 << 30, 0, 5) + report + reservation(REGISTER, 2 << 30 | 2, 5, 6) + report
                                   + reservation(REGISTER, 9, 0))
    yield "reserve_wrong", (reservation(REGISTER, 3, 0, 5) + reservation(ACQUIRE, 7 << 8, 5) + reservation(ACQUIRE, 1 << 8, 9)
                            + reservation(RELEASE, 8) + capsule(command(REPORT, keyed(4096), dwords=(1023, 0)))
                            + capsule(command(REPORT, keyed(4096), dwords=(0xffffffff, 1))))
    yield "reserve_other", (reservation(REGISTER, 0, 0, 5, nsid=2) + reservation(ACQUIRE, 0x200, 5, nsid=2)
                            + reservation(RELEASE, 1, 5, nsid=2))


def live():
    """Scripts for queue pairs."""
    yield "read", capsule(read(0, 1, keyed(512)))
    yield "read_large", capsule(read(0, 256, keyed(131072)))
    yield "read_invalidate", capsule(read(8, 8, keyed(4096, kind=INVALIDATE)))
    yield "read_list", capsule(read(0, 4, in_capsule(64, 0, LAST_SEGMENT))
                               + b"".join(keyed(512, 1024 * i) for i in range(4)))
    yield "read_out_of_range", capsule(read(8192, 1, keyed(512)))
    yield "write", memory(0, b"data" * 60) + capsule(write(5, 1, keyed(512)))
    yield "write_large", capsule(write(0, 256, keyed(131072)))
    yield "write_in_capsule", capsule(write(9, 1, in_capsule(512)), zeros=512)
    yield "write_in_capsule_4k", capsule(write(16, 8, in_capsule(4096)), zeros=4096)
    yield "write_list", capsule(write(0, 64, in_capsule(256, 0, LAST_SEGMENT))
                                + b"".join(keyed(2048, 2048 * i) for i in range(16)))
    yield "write_wrong_key", capsule(write(0, 1, keyed(512, key=1)), how=RAW)
    yield "write_wrong_address", capsule(write(0, 1, keyed(512, 1 << 30)), how=RAW)
    yield "other_namespace", capsule(write(0, 1, keyed(4096), nsid=2)) + capsule(read(0, 1, keyed(4096), nsid=2))
    yield "flush", capsule(command(0))
    yield "flush_all", capsule(command(0, nsid=0xffffffff))
    yield "compare", capsule(blocks(5, 0, 1, keyed(512)))
    yield "compare_fails", memory(0, b"else") + capsule(blocks(5, 0, 1, keyed(512)))
    yield "compare_large_fails", memory(0, b"else") + capsule(blocks(5, 64, 32, keyed(16384)))
    yield "write_zeroes", capsule(command(8, dwords=(0, 0, 4095)))
    yield "deallocate", (memory(0, struct.pack("<IIQ", 0, 64, 0) + struct.pack("<IIQ", 0, 8, 4096))
                         + capsule(command(9, keyed(32), dwords=(1, 4))))
    yield "deallocate_in_capsule", capsule(command(9, in_capsule(16), dwords=(0, 4)) + struct.pack("<IIQ", 0, 8, 16))
    yield "fused", (capsule(blocks(5, 3, 1, keyed(512), flags=0x41, cid=1), how=AT_ONCE)
                    + capsule(write(3, 1, keyed(512), flags=0x42, cid=2)))
    yield "fused_first_alone", capsule(blocks(5, 3, 1, keyed(512), flags=0x41))
    yield "fused_fails", (memory(0, b"else") + capsule(blocks(5, 40, 16, keyed(8192), flags=0x41, cid=1), how=AT_ONCE)
                          + capsule(write(40, 16, keyed(8192), flags=0x42, cid=2)))
    yield "fused_wrong_pointer", (capsule(blocks(5, 3, 1, keyed(512), flags=0x41, cid=1), how=AT_ONCE)
                                  + capsule(write(3, 1, in_capsule(512), flags=0x42, cid=2)))
    yield "fused_wrong_blocks", (capsule(blocks(5, 3, 1, keyed(512), flags=0x41, cid=1), how=AT_ONCE)
                                 + capsule(write(4, 1, keyed(512), flags=0x42, cid=2)))
    yield "many_at_once", b"".join(capsule(write(8 * i, 8, keyed(4096), cid=i), how=AT_ONCE) for i in range(14))
    yield "same_cid", b"".join(capsule(read(i, 1, keyed(512)), how=AT_ONCE) for i in range(3))
    yield "too_short", capsule(bytes(63), how=RAW)
    yield "too_long", capsule(write(0, 8, in_capsule(4096)), how=RAW, zeros=5000)
    yield "io_fabrics", capsule(fabrics(8))
    yield from reservations()

    for cns, nsid in ((0, 1), (1, 0), (2, 0), (3, 1), (5, 1), (6, 1), (6, 0), (8, 1), (0x1c, 0)):
        yield f"identify_{cns}_{nsid}", capsule(command(6, keyed(4096), nsid=nsid, dwords=(cns,)), ADMIN)
    for lid in (1, 2, 3, 4, 5, 6, 0xc, 0x70, 0x80):
        yield f"log_{lid}", capsule(command(2, keyed(4096), nsid=0xffffffff, dwords=(1023 << 16 | lid, 0)), ADMIN)
    for fid in (1, 2, 4, 6, 7, 8, 0xb, 0xf, 0x10, 0x16, 0x80, 0x81, 0x82, 0x83):
        yield f"get_feature_{fid}", capsule(command(0xa, nsid=0, dwords=(fid,)), ADMIN)
        yield f"set_feature_{fid}", capsule(command(9, nsid=0, dwords=(fid, 0x100)), ADMIN)
    yield "ana_groups_only", capsule(command(2, keyed(4096), nsid=0, dwords=(1023 << 16 | 1 << 8 | 0xc, 0)), ADMIN)
    for fid in (0x82, 0x83):
        yield f"reservation_feature_{fid}", b"".join(
            capsule(command(opcode, nsid=1, dwords=(fid, value)), ADMIN) for opcode, value in ((10, 0), (9, 14), (9, 1), (10, 0)))
    yield "host_identifier", capsule(command(0xa, keyed(16), nsid=0, dwords=(0x81, 1)), ADMIN)
    yield "async_event", capsule(command(0xc, nsid=0), ADMIN) + capsule(command(0xc, nsid=0, cid=2), ADMIN)
    yield "abort", (capsule(command(0xc, nsid=0, cid=7), ADMIN)
                    + capsule(command(8, nsid=0, cid=8, dwords=(7 << 16,)), ADMIN))
    yield "keep_alive", capsule(command(0x18, nsid=0), ADMIN)
    yield "property_get", b"".join(capsule(fabrics(4, rest=struct.pack("<B3xI", size, at)), ADMIN)
                                   for size, at in ((1, 0), (0, 8), (0, 0x14), (0, 0x1c), (0, 0x68)))
    yield "property_set", capsule(fabrics(0, rest=struct.pack("<B3xIQ", 0, 0x14, 0x00460001)), ADMIN)
    yield "reset", (capsule(fabrics(0, rest=struct.pack("<B3xIQ", 0, 0x14, 0x00460000)), ADMIN)
                    + capsule(fabrics(0, rest=struct.pack("<B3xIQ", 0, 0x14, 0x00460001)), ADMIN))
    yield "shutdown", capsule(fabrics(0, rest=struct.pack("<B3xIQ", 0, 0x14, 0x00464001)), ADMIN)
    yield "connect_admin", connect(0, 0xffff)
    yield "connect_io", connect(2, THE_CNTLID) + capsule(read(0, 1, keyed(512)), FRESH)
    yield "connect_nobody", connect(2, 0x123)
    yield "before_connect", capsule(read(0, 1, keyed(512)), FRESH)
    yield "connect_twice", connect(0, 0xffff)[:-69] + capsule(fabrics(1, keyed(1024, 4096)), ADMIN)


def pointers():
    """A descriptor, what the command moves, which way, and what follows the command in the capsule."""
    def one(sgl, length, way, data=b""):
        return sgl + struct.pack("<IB", length - 1, way) + data
    yield "keyed", one(keyed(512), 512, 0)
    yield "invalidate", one(keyed(4096, kind=INVALIDATE), 4096, 1)
    yield "in_capsule", one(in_capsule(64), 64, 1, bytes(64))
    yield "in_capsule_offset", one(in_capsule(16, 32), 16, 1, bytes(64))
    yield "list", one(in_capsule(64, 0, LAST_SEGMENT), 2048, 0, b"".join(keyed(512, 512 * i) for i in range(4)))
    yield "list_of_all", one(in_capsule(256, 0, LAST_SEGMENT), 2048, 0, b"".join(keyed(128, 128 * i) for i in range(16)))
    yield "list_too_long", one(in_capsule(272, 0, LAST_SEGMENT), 2048, 0, b"".join(keyed(128, 128 * i) for i in range(17)))
    yield "list_with_empty", one(in_capsule(48, 16, LAST_SEGMENT), 600, 1, bytes(16) + keyed(0) + keyed(512) + keyed(512))


def requests():
    """RDMA READs that the host serves, and private data."""
    for name, qid, hrqsize, hsqsize in (("admin", 0, 32, 31), ("io", 1, 128, 127), ("smallest", 2, 2, 1)):
        yield name, b"\x10" + struct.pack("<HHHHH22x", 0, qid, hrqsize, hsqsize, 1)
    yield "short", b"\x10" + bytes(8)


def crc32c(data):
    """The digest of NVMe over TCP."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return struct.pack("<I", crc ^ 0xffffffff)


def pdu(kind, header, data=b"", flags=0, digests=False, pad=0):
    size = 8 + len(header)
    begin = (size + 4 * digests + pad) if data else 0
    total = begin + len(data) + 4 * digests if data else size + 4 * digests
    flags |= (1 | (2 if data else 0)) if digests else 0
    head = struct.pack("<BBBBI", kind, flags, size, begin, total) + header
    out = head + (crc32c(head) if digests else b"") + bytes(pad if data else 0) + data
    return out + (crc32c(data) if digests and data else b"")


def streams():
    """What is agreed on, how it is cut, and what a host sends over TCP."""
    start = pdu(0, bytes(120))
    for name, how, digests in (("plain", 0, False), ("digests", 3, True), ("dropped", 4, False)):
        said = start + pdu(4, read(0, 1, keyed(512)), digests=digests)
        said += pdu(4, write(0, 1, in_capsule(512)), b"d" * 512, digests=digests)
        said += pdu(6, struct.pack("<HHII4x", 1, 2, 0, 1024), b"h" * 1024, 4, digests=digests)
        yield name, bytes([how, 7]) + said
    yield "aligned", bytes([0x08, 100]) + start + pdu(4, write(0, 1, in_capsule(512)), b"d" * 512, pad=8)
    yield "termination", bytes([0, 0]) + start + pdu(2, struct.pack("<HI10x", 1, 4), b"")
    yield "without_beginning", bytes([0, 0]) + pdu(4, read(0, 1, keyed(512)))


def transport(length):
    """The data pointer of what does not come with the capsule."""
    return struct.pack("<QI3xB", 0, length, 0x5a)


def conversations():
    """Steps on connections: see README.md."""
    def opened(digests=0, hpda=0, maxr2t=0, admin=False):
        return bytes([7 | admin << 3 | maxr2t << 4, digests | hpda << 2])

    def said(sqe, data=None):
        return bytes([2 if data is None else 2 | 1 << 3]) + sqe + (b"" if data is None else struct.pack("<H", data))
    def reserves(what, action=0, kind=0, key=0, other=0, iekey=0, cptpl=0, nsid=1):
        """0 registers, 1 acquires, 2 releases, 3 reports."""
        return bytes([2 | 2 << 3, what | action << 2 | iekey << 5 | cptpl << 6, kind | (nsid - 1) << 7, key | other << 4])

    def another_host(how, n=1):
        """A connection of the second host, and the first one's again."""
        return bytes([5 | n << 3]) + bytes([7, 0x80]) + how + turn + bytes([5])
    turn, deaf, answer = b"\x04", b"\x0c", b"\x03"
    for kind in range(1, 7):
        mine = reserves(0, other=5) + reserves(1, kind=kind, key=5) + turn
        theirs = reserves(0, other=7) + turn + said(write(0, 8, in_capsule(4096)), 4096) + said(read(0, 8, transport(4096)))
        yield f"reserved_{kind}", opened() + mine + another_host(theirs + reserves(3)) + reserves(2, kind=kind, key=5) + turn
        yield f"preempted_{kind}", opened() + mine + another_host(theirs + turn + reserves(1, 1 + kind % 2, kind, 7, 5))
    for kind in range(1, 7):
        gone = reserves(1, kind=kind, key=5) + turn + reserves(0, 1, key=5) + turn
        yield f"unregistered_{kind}", opened() + reserves(0, other=5) + gone
        yield f"unregistered_{kind}_another", opened() + reserves(0, other=5) + another_host(reserves(0, other=7)) + gone
    yield "registered", opened() + reserves(0, other=5) + reserves(0, 2, key=5, other=6) + another_host(reserves(0, other=6)) + turn
    yield "cleared", (opened() + reserves(0, other=5, cptpl=3) + another_host(reserves(0, other=7) + reserves(2, 1, key=7))
                      + reserves(3))
    yield "both_namespaces", opened() + b"".join(reserves(0, other=4 + n, nsid=n) + reserves(1, kind=n, key=4 + n, nsid=n)
                                                 for n in (1, 2))
    yield "holder_gone", opened() + reserves(0, other=5) + reserves(1, kind=1, key=5) + turn + bytes([6]) + another_host(b"")
    yield "ana", (opened(admin=True) + said(fabrics(0, rest=struct.pack("<B3xIQ", 0, 0x14, 0x00460001))) + turn
                  + b"".join(said(command(2, transport(4096), nsid=0, dwords=(1023 << 16 | lsp << 8 | lid, 0)))
                             for lid, lsp in ((0xc, 0), (0xc, 1), (0x80, 0)))
                  + b"".join(said(command(opcode, nsid=1, dwords=(fid, 14 if fid == 0x82 else 0)))
                             for fid in (0x82, 0x83) for opcode in (10, 9)) + turn)
    for name, how in (("plain", {}), ("digests", {"digests": 3, "hpda": 7}), ("parts", {"maxr2t": 3})):
        yield f"{name}_read", opened(**how) + said(read(0, 8, transport(4096))) + turn
        yield f"{name}_write", opened(**how) + said(write(0, 8, in_capsule(4096)), 4096) + turn
        yield f"{name}_asked", opened(**how) + said(write(0, 256, transport(131072))) + turn + answer + turn
        yield f"{name}_halves", (opened(**how) + said(write(0, 8, transport(4096))) + turn
                                 + bytes([3 | 9 << 3]) + struct.pack("<H", 512) + bytes([3 | 3 << 3]) + struct.pack("<HH", 512, 512))
        yield f"{name}_wrong_data", opened(**how) + said(write(0, 8, transport(4096))) + turn + bytes([3 | 4 << 3, 9]) + turn
    yield "many", opened() + b"".join(said(read(8 * n, 8, transport(4096), cid=n)) for n in range(15)) + turn
    yield "deaf", opened() + b"".join(said(read(0, 256, transport(131072), cid=n)) for n in range(15)) + deaf
    yield "greedy", opened() + b"".join(said(write(0, 256, transport(131072), cid=n)) for n in range(12)) + turn + turn
    yield "two", opened() + bytes([5 | 1 << 3]) + opened(digests=3) + said(read(0, 1, transport(512))) + bytes([5]) + turn
    yield "admin", opened(admin=True) + said(command(6, transport(4096), nsid=0, dwords=(1,))) + turn
    yield "fabrics", opened(admin=True) + said(fabrics(4, rest=struct.pack("<B3xI", 0, 0x1c))) + said(fabrics(8)) + turn
    yield "gone", opened() + said(write(0, 256, transport(131072))) + turn + bytes([6]) + turn
    yield "by_hand", b"\0" + bytes([127]) + pdu(0, bytes(120)) + turn + b"\0" + bytes([71]) + pdu(4, read(0, 1, transport(512))) + turn
    yield "shaped", opened() + bytes([1, 6, 16]) + struct.pack("<HHII4x", 1, 0, 0, 512) + struct.pack("<H", 512) + turn
    yield "terminated", opened() + bytes([1, 2, 16]) + struct.pack("<HI10x", 1, 4) + struct.pack("<H", 72) + turn
    yield "fused", (opened() + said(blocks(5, 3, 1, transport(512), flags=0x41, cid=1)) + turn + answer
                    + said(write(3, 1, transport(512), flags=0x42, cid=2)) + turn + answer + turn)


ROUGH = ("write_wrong", "too_", "reset", "shutdown", "property_set", "connect_", "before_connect", "io_fabrics")


def scripts():
    """With what it takes to play them: those that close a connection say so."""
    for name, script in live():
        yield name, (b"\xee" if name.startswith(ROUGH) else b"\0") + script


def controllers():
    """Lives of NVMe controllers: see README.md."""
    def born(head=0, queues=0x3f, layout=0, limits=5, speed=9, shape=2, memory=0):
        return bytes([head, queues, layout, limits, speed, shape, memory])

    def io(op, lba=3, blocks=8, layout=0):
        return bytes([0 | op << 3, lba, blocks - 1, layout])

    def fault(what, opcode=None, qid=None, value=0, after=0, always=False):
        times = (0 if opcode is not None else 1) | (0 if qid is None else 2 | qid << 6) | after << 2 | (16 if always else 0)
        return bytes([2 | what << 3, opcode or 0, times]) + struct.pack("<H", value)

    def controller(what, data=b""):
        return bytes([3 | what << 3]) + data

    turn, wait = bytes([1 | 4 << 3]), bytes([1 | 31 << 3])
    every = b"".join(io(op, lba=op) for op in range(9)) + turn
    for name, how in (("plain", {}), ("two_cores", {"head": 1}), ("slow_core", {"head": 7}), ("sgls", {"layout": 4}),
                      ("sgls_dwords", {"layout": 8}), ("shadows", {"layout": 16}), ("stride", {"layout": 2}), ("large", {"shape": 6}),
                      ("protected", {"shape": 2 | 8 | 16}), ("metadata", {"shape": 2 | 8 | 32}), ("memory", {"memory": 0x1f}),
                      ("one_queue", {"head": 1, "queues": 0x1f}), ("small_queues", {"queues": 1})):
        yield f"{name}_io", born(**how) + every + b"".join(io(op, lba=7, blocks=40, layout=0x2b) for op in (0, 1, 5)) + turn + wait
    for before in range(5):
        yield f"before_{before}", born(limits=5 | before << 3) + every
    for what in range(1, 13):
        yield f"fault_{what}", born(head=1) + fault(what, qid=1, value=0x1234) + every + wait
        yield f"fault_{what}_admin", born() + fault(what, qid=0, value=0x1234) + bytes([5]) + every + wait
        yield f"fault_{what}_before", born(head=0x10) + fault(what, opcode=6, value=0x0102, after=what & 3) + every
    yield "abort_lost", born() + fault(3, qid=1) + fault(3, opcode=8, qid=0, always=True) + every + wait
    for what in (0, 1, 2, 4, 6, 7):
        yield f"controller_{what}", born(head=1) + every + controller(what) + every + wait + controller(3) + bytes([5]) + every
    yield "events", born() + controller(8, struct.pack("<I", 0x020101)) + every + wait + controller(9)
    yield "poked", born() + controller(12, bytes([1]) + struct.pack("<I", 0x0f000020)) + bytes([5]) + wait
    yield "disabled", born() + every + controller(14, bytes([0, 0])) + every + wait
    for what in range(6):
        yield f"namespaces_{what}", born() + bytes([4 | what << 3, 20, 0, 4]) + turn + every + wait
    yield "hotplug", born() + bytes([5 | 13 << 3]) + every + bytes([5 | 2 << 3]) + wait + bytes([5 | 3 << 3]) + wait
    yield "posted", born() + every[:8] + bytes([6 | 1 << 3]) + struct.pack("<H", 0x401) + wait
    yield "posted_admin", born() + bytes([6 | 8 << 3]) + bytes(16) + wait
    for name, cns, at, data in (("lbads", 0, 134, b"\xff"), ("nsze", 0, 0, b"\xff" * 8), ("nn", 1, 516, b"\xff" * 4),
                                ("mdts", 1, 77, b"\xff"), ("sqes", 1, 512, b"\x77"), ("list", 2, 0, b"\x05\0\0\0\x04"),
                                ("identifiers", 3, 0, b"\x03\xff")):
        yield f"identify_{name}", born(head=0x10) + bytes([7 | cns << 3]) + struct.pack("<HB", at, len(data) - 1) + data + every


def exchanges():
    """What host and subsystem are made of, and steps of a host that authenticates: see README.md."""
    receive, unspoilt, finish = b"\0", b"\0\0\0", b"\6"
    negotiate, reply, success2, failure2 = (bytes([kind]) + unspoilt for kind in (1, 2, 4, 5))
    late_reply = b"\7" + unspoilt

    def between(one_way=False, no_ctrlr_key=False, wrong_key=False, no_key=False, offered=0, allowed=0, group=0,
                groups_offered=1, groups_allowed=1):
        return bytes([(not one_way) | no_ctrlr_key << 1 | wrong_key << 2 | offered << 3 | no_key << 6,
                      allowed | groups_offered << 3 | groups_allowed << 5, group])
    both_ways = negotiate + receive + reply + receive + success2
    yield "both_ways", between() + both_ways
    yield "one_way", between(one_way=True) + negotiate + receive + reply + receive
    yield "twice", between() + both_ways + both_ways
    yield "refused", between() + negotiate + receive + reply + receive + failure2
    yield "early", between() + negotiate + reply
    yield "late", between() + both_ways + negotiate + receive + late_reply + receive
    for name, how in (("at_once", b""), ("negotiated", negotiate), ("challenged", negotiate + receive),
                      ("replied", negotiate + receive + reply), ("again", both_ways + negotiate + receive)):
        yield f"success2_{name}", between() + how + success2 + receive
    yield "spoilt", between() + negotiate + receive + b"\2\x10\0\1" + receive
    yield "raw", between() + b"\3\x08\0" + bytes([0, 0, 0, 0, 1, 0, 0, 0]) + receive
    yield "finished", between() + finish + finish
    for name, how in (("negotiated", negotiate), ("challenged", negotiate + receive), ("replied", negotiate + receive + reply),
                      ("proved", negotiate + receive + reply + receive), ("failed", reply + receive + failure2)):
        yield f"finished_{name}", between() + how + finish
    for name, how in (("wrong_key", {"wrong_key": True}), ("no_key", {"no_key": True}), ("no_ctrlr_key", {"no_ctrlr_key": True}),
                      ("one_way_without", {"no_ctrlr_key": True, "one_way": True}), ("no_hash", {"offered": 1, "allowed": 6}),
                      ("no_group", {"groups_offered": 1, "groups_allowed": 2})):
        yield name, between(**how) + finish + receive
    for digest in (1, 2, 4):
        yield f"digest_{digest}", between(offered=digest) + finish
        yield f"digest_{digest}_allowed", between(allowed=digest) + finish
    for group in range(5):
        yield f"group_{group}", between(group=group, groups_offered=2, groups_allowed=3) + finish
    yield "group_spoilt", between(groups_offered=2, groups_allowed=2) + negotiate + receive + b"\2\xff\0\1" + receive


SEEDS = {"rdma_capsule_fuzzer": scripts, "sgl_fuzzer": pointers, "rdma_private_data_fuzzer": requests,
         "tcp_pdu_fuzzer": streams, "tcp_stream_fuzzer": conversations, "nvme_controller_fuzzer": controllers,
         "auth_exchange_fuzzer": exchanges}


def write_seeds(folder: Path) -> None:
    for fuzzer, seeds in SEEDS.items():
        (folder / fuzzer).mkdir(parents=True, exist_ok=True)
        for name, data in seeds():
            (folder / fuzzer / name).write_bytes(data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_seeds(Path(sys.argv[1]))
