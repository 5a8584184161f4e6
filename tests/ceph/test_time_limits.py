# SPDX-License-Identifier: Apache-2.0
"""Commands that their cluster does not answer: how they end for a host, and what becomes of a write that an OSD has all the same.

The rule stands in docs/design.md, "A cluster that does not answer".
"""

import contextlib
import struct

import pytest
import raw_host
from gateway import take_over
from raw_host import CC, CSTS
from served_image import Host, one_image

IMAGE, MEMORY = 1, 2    # namespaces
SECONDS = 4             # rados_osd_op_timeout, 25 unless an operator says otherwise
INTERNAL_PATH_ERROR = 0x300
ABORT, NOT_ABORTED = 0x08, 1
DISABLED, ENABLED = 0x460000, 0x460001


@contextlib.contextmanager
def paused(cluster):
    cluster.osd_pause()
    try:
        yield
    finally:
        cluster.osd_resume()


@pytest.fixture
def served(cluster, tmp_path, request):
    """A gateway that serves an image and a memory disk, and a host of both."""
    image = request.node.name.removeprefix("test_")[:30]
    cluster.create_image(image, "8M", features="layering,exclusive-lock")
    with one_image(cluster, tmp_path / "gateway", image, rados_osd_op_timeout=str(SECONDS)) as (gateway, host):
        gateway.call("bdev_malloc_create", {"name": "memory", "num_blocks": 1024, "block_size": take_over.BLOCK})
        gateway.call("nvmf_subsystem_add_ns", {"nqn": take_over.NQN, "namespace": {"bdev_name": "memory", "nsid": MEMORY}})
        host.write(IMAGE, 0, take_over.NEXT)    # the image's lock is taken
        yield gateway, host, image


def unanswered(gateway, image: str) -> int:
    return gateway.call("bdev_get_bdevs", {"name": image})[0]["driver_specific"]["rbd"]["unanswered_changes"]


def csts(host: Host) -> int:
    return host.raw.admin.call(raw_host.fabrics(4, 2, specific=struct.pack("<B3xI", 0, CSTS))).result


def set_cc(host: Host, value: int) -> None:
    assert host.raw.admin.call(raw_host.fabrics(0, 1, specific=struct.pack("<B3xIQ", 0, CC, value))).status == 0


def must_serve_memory(host: Host) -> None:
    host.write(MEMORY, 3, take_over.NEW)
    assert host.read(MEMORY, 3) == take_over.NEW


def test_a_write_ends_as_a_path_error_and_never_lands_on_what_follows_it(cluster, tmp_path, served):
    gateway, host, image = served
    with paused(cluster):
        host.send_write(IMAGE, 0, take_over.OLD)
        must_serve_memory(host)
        cid = 9 + IMAGE    # of send_write
        aborted = host.raw.admin.call(raw_host.command(ABORT, 4, cdw10=struct.pack("<HH", 1, cid)))
        assert (aborted.status, aborted.result) == (0, NOT_ABORTED), "an OSD has it"
        assert host.raw.admin.call(raw_host.command(raw_host.KEEP_ALIVE, 5)).status == 0
        assert host.answer() == INTERNAL_PATH_ERROR
        assert unanswered(gateway, image) == 1
        host.send_write(IMAGE, 0, take_over.NEW)
    assert host.answer() == 0, "the OSD had both, one behind the other"
    assert host.read(IMAGE, 0) == take_over.NEW, "and there is one response to each"
    assert unanswered(gateway, image) == 1
    content = cluster.export_image(image, tmp_path / "content").read_bytes()
    assert content[:take_over.BLOCK] == take_over.NEW


def test_a_host_that_comes_again_has_its_other_disks_at_once(cluster, served):
    """Its old controller is not ready to be used again before its write has ended: another path could overtake it."""
    gateway, host, image = served
    with paused(cluster):
        host.send_write(IMAGE, 0, take_over.OLD)
        must_serve_memory(host)
        set_cc(host, DISABLED)
        assert csts(host) & 1, "the write is at work"
        with Host(host.port, kato=0) as again:
            must_serve_memory(again)
            assert csts(host) & 1
            while csts(host) & 1:    # until the limit
                pass
            assert unanswered(gateway, image) == 1
            set_cc(host, ENABLED)
            assert csts(host) & 1
            again.send_write(IMAGE, 0, take_over.NEW)
            cluster.osd_resume()
            assert again.answer() == 0
            assert again.read(IMAGE, 0) == take_over.NEW
