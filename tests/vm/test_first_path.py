# SPDX-License-Identifier: Apache-2.0
"""The thinnest true path: an RBD image served to the stock kernel, written there, found in the cluster."""

import hashlib

import pytest

from lab import fio
from lab.gateway import RpcError

MIB = 1 << 20


@pytest.mark.parametrize("block_size", [4096, 512])
def test_the_cluster_holds_what_a_host_wrote(lab, lasting_gateway, guest, host, fabric, tmp_path, block_size):
    name = f"first{block_size}-{fabric}"
    nqn = f"nqn.2024-01.io.causeway:{name}"
    lab.cluster.create_image(name, 4 * MIB)
    lasting_gateway.add_image(name, block_size=block_size)
    target = lasting_gateway.add_subsystem(nqn, name)

    assert (nqn, fabric.transport) in [(record["subnqn"], record["trtype"]) for record in host.discover(target)]
    device = host.connect(target)
    assert host.size(device) == 4 * MIB
    done = fio.verify(guest, device, size="1m")
    assert done.write.bytes == done.read.bytes == MIB
    read = guest.out(f"dd if={device} bs=1M iflag=direct status=none | sha256sum").split()[0]
    host.disconnect(nqn)

    exported = lab.cluster.export_image(name, tmp_path / "exported").read_bytes()
    assert hashlib.sha256(exported).hexdigest() == read
    assert exported.strip(b"\0"), "fio wrote something"


def test_a_request_that_cannot_be_done_is_refused_with_a_reason(lasting_gateway):
    with pytest.raises(RpcError, match="no-such-image"):
        lasting_gateway.add_image("no-such-image")
    assert lasting_gateway.running


def test_the_gateway_ends_when_asked(lasting_gateway):
    assert lasting_gateway.stop() == 0
