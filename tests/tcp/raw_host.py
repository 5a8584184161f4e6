# SPDX-License-Identifier: Apache-2.0
"""NVMe over TCP by hand: PDUs as bytes, so that a test can send what it likes. NVM Express TCP Transport Specification 1.0."""

import socket
import struct
from dataclasses import dataclass

IC_REQ, IC_RESP, H2C_TERM, C2H_TERM, COMMAND, RESPONSE, H2C_DATA, C2H_DATA, R2T = 0, 1, 2, 3, 4, 5, 6, 7, 9
HDGST, DDGST, LAST, SUCCESS = 1, 2, 4, 8
INVALID_FIELD, SEQUENCE, HEADER_DIGEST, OUT_OF_RANGE, LIMIT_EXCEEDED, UNSUPPORTED = 1, 2, 3, 4, 5, 6

READ, WRITE, FLUSH, DATASET_MANAGEMENT, FABRICS = 0x02, 0x01, 0x00, 0x09, 0x7f
IDENTIFY, KEEP_ALIVE, ASYNC_EVENT = 0x06, 0x18, 0x0c
CC, CSTS = 0x14, 0x1c

HOST = "nqn.2014-08.org.nvmexpress:uuid:11111111-1111-1111-1111-111111111111"
WITHIN = 20    # seconds for any answer


def _crc_table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        yield n


_TABLE = tuple(_crc_table())


def crc32c(data: bytes) -> bytes:
    """Little-endian, as it goes over the wire."""
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xff]
    return struct.pack("<I", crc ^ 0xffffffff)


def common(kind: int, hlen: int, plen: int, *, flags: int = 0, pdo: int = 0) -> bytes:
    return struct.pack("<BBBBI", kind, flags, hlen, pdo, plen)


def ic_req(*, pfv: int = 0, hpda: int = 0, digests: int = 0, maxr2t: int = 0) -> bytes:
    return common(IC_REQ, 128, 128) + struct.pack("<HBBI", pfv, hpda, digests, maxr2t) + bytes(112)


def in_capsule(length: int, offset: int = 0) -> bytes:
    return struct.pack("<QI3sB", offset, length, bytes(3), 0x01)


def transport_sgl(length: int) -> bytes:
    return struct.pack("<QI3sB", 0, length, bytes(3), 0x5a)


def command(opcode: int, cid: int, *, nsid: int = 0, sgl: bytes = transport_sgl(0), cdw10: bytes = b"", flags: int = 0x40) -> bytes:
    return struct.pack("<BBHI", opcode, flags, cid, nsid) + bytes(16) + sgl + cdw10.ljust(24, b"\0")


def fabrics(fctype: int, cid: int, *, sgl: bytes = bytes(16), specific: bytes = b"") -> bytes:
    return struct.pack("<BBHB", FABRICS, 0x40, cid, fctype) + bytes(19) + sgl + specific.ljust(24, b"\0")


def connect(qid: int, cid: int = 0, *, entries: int = 32, kato: int = 0, flow_control: bool = True) -> bytes:
    return fabrics(1, cid, sgl=in_capsule(1024),
                   specific=struct.pack("<HHHBBI", 0, qid, entries - 1, 0 if flow_control else 4, 0, kato))


def connect_data(nqn: str, cntlid: int = 0xffff, host: str = HOST, hostid: bytes = bytes(range(16))) -> bytes:
    return (hostid + struct.pack("<H", cntlid) + bytes(238) + nqn.encode().ljust(256, b"\0") +
            host.encode().ljust(256, b"\0") + bytes(256))


def read(cid: int, nsid: int, lba: int, blocks: int, length: int) -> bytes:
    return command(READ, cid, nsid=nsid, sgl=transport_sgl(length), cdw10=struct.pack("<QI", lba, blocks - 1))


def write(cid: int, nsid: int, lba: int, blocks: int, sgl: bytes) -> bytes:
    return command(WRITE, cid, nsid=nsid, sgl=sgl, cdw10=struct.pack("<QI", lba, blocks - 1))


def deallocate(cid: int, nsid: int) -> bytes:
    """Of the one range that comes with the capsule."""
    return command(DATASET_MANAGEMENT, cid, nsid=nsid, sgl=in_capsule(16), cdw10=struct.pack("<II", 0, 4))


def one_range(lba: int, blocks: int) -> bytes:
    return struct.pack("<IIQ", 0, blocks, lba)


@dataclass
class Pdu:
    kind: int
    flags: int
    header: bytes    # with the common header
    data: bytes

    @property
    def status(self) -> int:
        """The status code type and the status code of a response."""
        return struct.unpack_from("<H", self.header, 22)[0] >> 1 & 0x7ff

    @property
    def result(self) -> int:
        return struct.unpack_from("<I", self.header, 8)[0]

    @property
    def cid(self) -> int:
        return struct.unpack_from("<H", self.header, 20 if self.kind == RESPONSE else 8)[0]

    @property
    def tag(self) -> int:
        return struct.unpack_from("<H", self.header, 10)[0]

    @property
    def extent(self) -> tuple[int, int]:
        """The offset and the length in a data PDU or an R2T."""
        return struct.unpack_from("<II", self.header, 12)

    @property
    def fatal(self) -> tuple[int, int]:
        """The status and the information of a termination request."""
        return struct.unpack_from("<HI", self.header, 8)


class Closed(Exception):
    """The gateway has closed the connection."""


class Connection:
    """A connection, with or without digests. `raw` sends any bytes; all other methods keep to the protocol."""

    def __init__(self, address: tuple[str, int], *, digests: int = 0):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(WITHIN)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.digests = digests
        self.agreed = 0    # digests, once ICResp is there
        self._in = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def initialize(self, **how) -> Pdu:
        self.raw(ic_req(digests=self.digests, **how))
        answer = self.receive()
        assert answer.kind == IC_RESP, answer
        self.agreed = answer.header[11]
        return answer

    def _exactly(self, size: int) -> bytes:
        while len(self._in) < size:
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed(f"after {len(self._in)} of {size} bytes")
            self._in += more
        taken, self._in = self._in[:size], self._in[size:]
        return taken

    def receive(self) -> Pdu:
        """The next PDU, with its digests checked."""
        begin = self._exactly(8)
        kind, flags, hlen, pdo, plen = struct.unpack("<BBBBI", begin)
        rest = self._exactly(plen - 8)
        header, body = begin + rest[:hlen - 8], rest[hlen - 8:]
        if flags & HDGST and kind not in (C2H_TERM, IC_RESP):
            assert body[:4] == crc32c(header), "the header digest is wrong"
        data = b""
        if kind == C2H_TERM:
            data = body
        elif kind == C2H_DATA:
            length = struct.unpack_from("<I", header, 16)[0]
            data = body[pdo - hlen:pdo - hlen + length]
            assert len(data) == length
            if flags & DDGST:
                assert body[pdo - hlen + length:] == crc32c(data), "the data digest is wrong"
        return Pdu(kind, flags, header, data)

    def pdu(self, kind: int, specific: bytes, data: bytes = b"", *, flags: int = 0, spoil: int = 0) -> bytes:
        """`spoil` names the digests that are made wrong."""
        hlen = 8 + len(specific)
        header_end = hlen + (4 if self.agreed & HDGST else 0)
        plen = header_end + len(data) + (4 if data and self.agreed & DDGST else 0)
        flags |= self.agreed & HDGST | (self.agreed & DDGST if data else 0)
        header = common(kind, hlen, plen, flags=flags, pdo=header_end if data else 0) + specific
        out = header
        if self.agreed & HDGST:
            out += self._digest(header, spoil & HDGST)
        out += data
        if data and self.agreed & DDGST:
            out += self._digest(data, spoil & DDGST)
        return out

    @staticmethod
    def _digest(data: bytes, spoil: int) -> bytes:
        right = crc32c(data)
        return bytes([right[0] ^ 1]) + right[1:] if spoil else right

    def send(self, sqe: bytes, data: bytes = b"", **how) -> None:
        self.raw(self.pdu(COMMAND, sqe, data, **how))

    def send_data(self, to: Pdu, data: bytes, *, offset: int | None = None, flags: int = LAST, **how) -> None:
        """Sends the data that an R2T has asked for."""
        begin, _ = to.extent
        self.raw(self.pdu(H2C_DATA, struct.pack("<HHII4x", to.cid, to.tag, begin if offset is None else offset, len(data)),
                          data, flags=flags, **how))

    def call(self, sqe: bytes, data: bytes = b"") -> Pdu:
        self.send(sqe, data)
        answer = self.receive()
        assert answer.kind == RESPONSE, answer
        return answer

    def closed(self) -> bool:
        """Waits until the gateway has closed the connection, and drops what arrives before."""
        try:
            while True:
                self._exactly(1)
        except Closed:
            return True


class Host:
    """A controller with its queues."""

    def __init__(self, address: tuple[str, int], nqn: str, *, digests: int = 0, queues: int = 1, entries: int = 32,
                 kato: int = 0, flow_control: bool = True, host: str = HOST, hostid: bytes = bytes(range(16)), **initialize):
        self.queues: list[Connection] = []
        cntlid = 0xffff
        for qid in range(queues + 1):
            queue = Connection(address, digests=digests)
            self.queues.append(queue)
            queue.initialize(**initialize)
            answer = queue.call(connect(qid, entries=entries, kato=kato if qid == 0 else 0, flow_control=flow_control),
                                connect_data(nqn, cntlid, host, hostid))
            assert answer.status == 0, hex(answer.status)
            if qid == 0:
                cntlid = answer.result & 0xffff
                self.cntlid = cntlid
                self.enable()

    def enable(self) -> None:
        admin = self.queues[0]
        assert admin.call(fabrics(0, 1, specific=struct.pack("<B3xIQ", 0, CC, 0x460001))).status == 0
        while not admin.call(fabrics(4, 2, specific=struct.pack("<B3xI", 0, CSTS))).result & 1:
            pass

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_) -> None:
        for queue in self.queues:
            queue.socket.close()

    @property
    def admin(self) -> Connection:
        return self.queues[0]

    @property
    def io(self) -> Connection:
        return self.queues[1]

    def read(self, lba: int, blocks: int, length: int, *, nsid: int = 1, cid: int = 7) -> bytes:
        """Reads blocks: the answer comes in data PDUs, and perhaps a response."""
        self.io.send(read(cid, nsid, lba, blocks, length))
        data = b""
        while True:
            answer = self.io.receive()
            assert answer.cid == cid
            if answer.kind == C2H_DATA:
                assert answer.extent[0] == len(data)
                data += answer.data
                if answer.flags & SUCCESS:
                    return data
                continue
            assert answer.kind == RESPONSE and answer.status == 0, answer
            return data

    def write(self, lba: int, blocks: int, data: bytes, *, nsid: int = 1, cid: int = 8, pieces: int = 131072) -> None:
        """Writes blocks by R2T; each R2T is answered in PDUs of `pieces` bytes."""
        self.io.send(write(cid, nsid, lba, blocks, transport_sgl(len(data))))
        while True:
            answer = self.io.receive()
            assert answer.cid == cid
            if answer.kind == RESPONSE:
                assert answer.status == 0, hex(answer.status)
                return
            assert answer.kind == R2T
            begin, length = answer.extent
            for at in range(begin, begin + length, pieces):
                size = min(pieces, begin + length - at)
                last = LAST if at + size == begin + length else 0
                self.io.send_data(answer, data[at:at + size], offset=at, flags=last)
