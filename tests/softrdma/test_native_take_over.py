# SPDX-License-Identifier: Apache-2.0
"""Two gateways with the same RBD images, natively, over RDMA: see tests/gateway/take_over.py."""

import pytest
from gateway import take_over
from lab.ceph import Cluster
from lab.gateway import listen_address
from programs import SCRIPTED_HOST
from scripted_hosts import CLOSED, DNR, STATUS, ScriptedHosts


class Host(ScriptedHosts):
    """take_over.Host over RDMA: one scripted host."""

    def __init__(self, fabric, name: str, port: int, kato: int):
        super().__init__(fabric, name, port)
        self._kato = kato

    def __enter__(self) -> "Host":
        super().__enter__()
        self.connect(self.name, take_over.NQN, kato=self._kato)
        return self

    def write(self, nsid: int, lba: int, block: bytes) -> None:
        self.send_write(nsid, lba, block)
        assert self.answer() == 0

    def read(self, nsid: int, lba: int) -> bytes:
        return self.read_block(self.name, nsid, lba)

    def send_write(self, nsid: int, lba: int, block: bytes) -> None:
        self.write_block(self.name, nsid, lba, block[0])

    def answer(self) -> int | None:
        status, = self.answers(self.name, 1)
        if status == CLOSED:
            return None
        assert not status & DNR, "DNR: the host could not send it again"
        return status & STATUS

    def leave(self) -> None:
        super().leave(self.name)


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path / "ceph", logs=tmp_path) as running:
        take_over.create_images(running)
        yield running


@pytest.mark.parametrize("preset", ["release"], indirect=True)
def test_newer_data_written_through_another_gateway_stand(cluster, fabric, new_gateway, tmp_path):
    if not (fabric.build / SCRIPTED_HOST).exists():
        pytest.skip(f"{SCRIPTED_HOST} is not built")
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
