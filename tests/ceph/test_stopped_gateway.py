# SPDX-License-Identifier: Apache-2.0
"""A gateway that was stopped for longer than its hosts, and the cluster, wait."""

import pytest
import raw_host
from gateway import take_over
from gateway.daemon import stopped
from lab import processes
from served_image import Host, free_port, listening, one_image, started

MIB = 1 << 20
INVALID_NAMESPACE, INTERNAL_PATH_ERROR = 0x00b, 0x300
UNKNOWN_OPCODE = 0x7e
SHORT = 3
"""Seconds after which OSDs give up the watch of a silent client. Shorter than the 5 s at which librados confirms one: no test
waits for longer."""


def test_newer_data_written_through_another_gateway_stand(cluster, tmp_path):
    take_over.create_images(cluster)
    with started(tmp_path / "first", **take_over.GRANTS_KATO) as first, started(tmp_path / "second") as second:
        ports = free_port(), free_port()
        fenced = take_over.serve(first, cluster, listening(ports[0]))
        take_over.serve(second, cluster, listening(ports[1]))
        take_over.stop_and_take_over(cluster, first, fenced, lambda _, kato: Host(ports[0], kato),
                                     lambda _, kato: Host(ports[1], kato))
    take_over.contents_must_be_new(cluster, tmp_path)


@pytest.fixture
def impatient_osd(cluster):
    """The OSDs soon drop watches that are established from now on; earlier watches keep their timeout."""
    def set_watch_timeout(seconds: int):
        cluster.ceph("tell", "osd.0", "config", "set", "osd_client_watch_timeout", str(seconds))
    set_watch_timeout(SHORT)
    yield
    set_watch_timeout(8)


def watches(cluster, image: str) -> str:
    header = f"rbd_header.{cluster.image(image)['id']}"
    return processes.run(["rados", "-c", cluster.conf, "-p", "rbd", "listwatchers", header]).stdout


def test_writes_that_librbd_had_before_the_stop_end_by_their_time_limit(cluster, tmp_path):
    """An OSD hangs, too: librbd has the write and the first piece of a deallocation when the gateway is stopped."""
    blocks = 64 * MIB // take_over.BLOCK
    last = blocks - 1
    cluster.create_image("limit", 64 * MIB, features="layering")
    with one_image(cluster, tmp_path / "gateway", "limit", rados_osd_op_timeout="4") as (gateway, host):
        for lba in (0, last):
            host.write(1, lba, take_over.NEW)
        cluster.osd_pause()
        try:
            host.send_write(1, 0, take_over.OLD)
            host.raw.io.send(raw_host.deallocate(1, 1), raw_host.one_range(1, blocks - 1))
            # What comes behind them is answered, and every core has taken its mail: librbd has them.
            host.raw.io.send(raw_host.command(UNKNOWN_OPCODE, 2, nsid=1))
            assert host.raw.io.receive().cid == 2
            gateway.call("framework_get_reactors")
            with stopped(gateway):
                pass
            assert {host.answer(), host.answer()} == {INTERNAL_PATH_ERROR}, "while the OSD still hangs"
        finally:
            cluster.osd_resume()
        assert host.read(1, last) == take_over.NEW


def test_an_image_that_was_removed_meanwhile_does_not_read_as_zeroes(cluster, impatient_osd, tmp_path):
    """Without an exclusive lock nothing fences a gateway that was cut off: reads of a removed image, and writes to it, succeeded."""
    cluster.create_image("gone", "8M", features="layering")
    with one_image(cluster, tmp_path / "gateway", "gone", osd_client_watch_timeout=str(SHORT)) as (gateway, host):
        host.write(1, 0, take_over.NEW)
        assert host.read(1, 0) == take_over.NEW
        with stopped(gateway):
            take_over.wait_until(lambda: watches(cluster, "gone") == "", "the OSD does not give its watches up")
            cluster.remove_image("gone")
        for command in (raw_host.read(1, 1, 0, 1, 512), raw_host.write(2, 1, 1, 1, raw_host.in_capsule(512))):
            host.raw.io.send(command, take_over.NEXT if command[0] == raw_host.WRITE else b"")
            answer = host.raw.io.receive()
            assert answer.kind == raw_host.RESPONSE and answer.status == INVALID_NAMESPACE
