# SPDX-License-Identifier: Apache-2.0
"""Two gateways with the same RBD images, natively, over RDMA: see tests/gateway/take_over.py."""

import pytest
from gateway import take_over
from lab.ceph import Cluster
from lab.gateway import listen_address
from programs import TOLD_HOST, Program


class Host(Program):
    """take_over.Host over RDMA: told_host, told."""

    def __init__(self, fabric, name: str, port: int, kato: int):
        super().__init__(fabric, name, TOLD_HOST, "-a", "127.0.0.1", "-s", port, "-n", take_over.NQN, "-q",
                         f"nqn.2024-01.io.causeway:{name}", "--keep-alive", kato, talks=True)

    def __enter__(self) -> "Host":
        super().__enter__()
        assert self.said() == "connected"
        return self

    def said(self) -> str:
        line = self.process.stdout.readline().strip()
        assert line, f"{self.name} has ended:\n{self.errors()}"
        return line

    def told(self, *words) -> str:
        print(*words, file=self.process.stdin, flush=True)
        return self.said()

    def write(self, nsid: int, lba: int, block: bytes) -> None:
        self.send_write(nsid, lba, block)
        assert self.answer() == 0

    def read(self, nsid: int, lba: int) -> bytes:
        kind, value = self.told("read", nsid, lba).split()
        assert kind == "read", value
        return bytes.fromhex(value)

    def send_write(self, nsid: int, lba: int, block: bytes) -> None:
        assert self.told("write", nsid, lba, block[0]) == "sent"

    def answer(self) -> int | None:
        kind, *value = self.told("answer").split()
        assert "dnr" not in value, "DNR: it could not be sent again"
        return int(value[0], 16) if kind == "status" else None

    def leave(self) -> None:
        assert self.told("leave") == "left"


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path / "ceph", logs=tmp_path) as running:
        take_over.create_images(running)
        yield running


@pytest.mark.parametrize("preset", ["release"], indirect=True)
def test_newer_data_written_through_another_gateway_stand(cluster, fabric, new_gateway, tmp_path):
    if not (fabric.build / TOLD_HOST).exists():
        pytest.skip(f"{TOLD_HOST} is not built")
    first, second = new_gateway("first"), new_gateway("second")
    first.add_transport(**take_over.GRANTS_KATO)
    second.add_transport()
    fenced = take_over.serve(first, cluster, listen_address("127.0.0.1", 4420))
    take_over.serve(second, cluster, listen_address("127.0.0.1", 4421))
    take_over.stop_and_take_over(cluster, first, fenced, lambda name, kato: Host(fabric, name, 4420, kato),
                                 lambda name, kato: Host(fabric, name, 4421, kato))
    for gateway in (first, second):
        gateway.must_end_well()
        gateway.was_killed = True    # there is nothing left to end
    take_over.contents_must_be_new(cluster, tmp_path)
