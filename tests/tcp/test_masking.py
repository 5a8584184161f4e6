# SPDX-License-Identifier: Apache-2.0
"""Namespace masking as two hosts see it: what is listed, what is told, and what can be read."""

import json
import os
import struct
import subprocess

import pytest
from gateway_nqn import NQN
from lab import places, sanitizers
from raw_host import ASYNC_EVENT, C2H_DATA, HOST, Host, command, read, transport_sgl

OTHER = HOST[:-1] + "2"
NSID = 3
SUCCESS, NO_SUCH_NAMESPACE = 0, 0x00b
SET_FEATURES, ASYNC_CONFIGURATION, NAMESPACE_ATTRIBUTE = 0x09, 0x0b, 1 << 8
CHANGED_NAMESPACES = 0x00040002    # of an event: the log page, "namespace attribute changed", a notice


@pytest.fixture
def masked(gateway):
    """A namespace that `HOST` alone sees."""
    gateway.call("bdev_malloc_create", name="Masked", block_size=512, num_blocks=2048)
    gateway.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "Masked", "nsid": NSID, "no_auto_visible": True})
    gateway.call("nvmf_ns_add_host", nqn=NQN, nsid=NSID, host=HOST)


def status_of_read(host: Host) -> int:
    host.io.send(read(1, NSID, 0, 1, 512))
    answer = host.io.receive()
    if answer.kind == C2H_DATA:
        answer = host.io.receive()    # with flow control of the submission queue there always is a response
    return answer.status


def listen(host: Host) -> None:
    assert host.admin.call(command(SET_FEATURES, 1, sgl=transport_sgl(0),
                                   cdw10=struct.pack("<II", ASYNC_CONFIGURATION, NAMESPACE_ATTRIBUTE))).status == SUCCESS
    host.admin.send(command(ASYNC_EVENT, 2))


def test_two_hosts_see_what_is_theirs_and_learn_of_changes(gateway, masked):
    with Host(gateway.address, NQN, host=HOST) as one, Host(gateway.address, NQN, host=OTHER) as other:
        for host in (one, other):
            listen(host)
        assert (status_of_read(one), status_of_read(other)) == (SUCCESS, NO_SUCH_NAMESPACE)
        gateway.call("nvmf_ns_add_host", nqn=NQN, nsid=NSID, host=OTHER)
        assert other.admin.receive().result == CHANGED_NAMESPACES
        assert (status_of_read(one), status_of_read(other)) == (SUCCESS, SUCCESS)
        gateway.call("nvmf_ns_remove_host", nqn=NQN, nsid=NSID, host=HOST)
        assert one.admin.receive().result == CHANGED_NAMESPACES, "the first event that it gets"
        assert (status_of_read(one), status_of_read(other)) == (NO_SUCH_NAMESPACE, SUCCESS)


def test_each_host_identifies_the_namespaces_that_it_sees(gateway, masked, preset):
    program = places.BUILD.parent / preset / "tools/causeway"
    if not program.exists():
        pytest.skip(f"{program} is not built")

    def nsids(host: str) -> list[int]:
        done = subprocess.run([program, "identify", "-a", gateway.address[0], "-s", str(gateway.address[1]), "-n", NQN, "-q", host,
                               "--json"], capture_output=True, text=True, timeout=60, env={**sanitizers.SETTINGS, **os.environ})
        assert done.returncode == 0, done.stderr
        return [namespace["nsid"] for namespace in json.loads(done.stdout)[0]["namespaces"]]

    assert (nsids(HOST), nsids(OTHER)) == ([1, 2, NSID], [1, 2])
    gateway.call("nvmf_subsystem_set_ns_visibility", nqn=NQN, nsid=NSID, auto_visible=True)
    assert (nsids(HOST), nsids(OTHER)) == ([1, 2, NSID], [1, 2, NSID])
