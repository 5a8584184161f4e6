# SPDX-License-Identifier: Apache-2.0
"""What nvme-cli shows of a gateway: each of its subcommands that only read is answered sensibly, or refused with the status that the
specification has for it. Debian 13's nvme-cli, which knows more of them; an image, a memory disk and the null device."""

import json
import os
import re

import pytest

from lab.fabric import TCP
from lab.gateway import Gateway
from lab.initiator import Initiator

NQN = "nqn.2024-01.io.causeway:shown"
MIB = 1 << 20
IMAGE, MEMORY, NULL = 1, 2, 3
BLOCKS = {IMAGE: 64 * MIB // 4096, MEMORY: 4096, NULL: 8192}

DNR, MORE = 0x4000, 0x2000    # MORE: the error log has more of it
INVALID_OPCODE, INVALID_FIELD, INVALID_NAMESPACE, INVALID_LOG_PAGE = DNR | 0x001, DNR | 0x002, DNR | 0x00b, DNR | 0x109

ANSWERED = """
id-ctrl {controller} --human-readable
id-ns {namespace} --human-readable
list-ns {controller}
nvm-id-ctrl {controller}
nvm-id-ns {namespace}
cmdset-ind-id-ns {namespace} --human-readable
ns-descs {namespace}
id-iocs {controller}
get-ns-id {namespace}
fw-log {controller}
changed-ns-list-log {controller}
smart-log {controller}
smart-log {namespace} --human-readable
error-log {controller}
effects-log {controller} --human-readable
resv-notif-log {controller}
supported-log-pages {controller}
fid-support-effects-log {controller} --human-readable
mi-cmd-support-effects-log {controller}
show-regs {controller} --human-readable
get-property {controller} --offset=0x14 --human-readable
resv-report {namespace} --eds
resv-report /dev/{second} --eds
list
list-subsys
show-topology
""".split("\n")[1:-1]

REFUSED = {
    INVALID_FIELD: """
id-ns-granularity {controller}
id-ns-lba-format {controller} --lba-format-index=0 --uuid-index=0
nvm-id-ns-lba-format {controller} --lba-format-index=0 --uuid-index=0
list-ns {controller} --all
list-ctrl {controller}
list-ctrl {controller} --namespace-id=1
primary-ctrl-caps {controller}
list-secondary {controller}
id-nvmset {controller}
id-uuid {controller}
id-domain {controller}
list-endgrp {controller}
get-property {controller} --offset=0x24
""",
    INVALID_LOG_PAGE: """
ana-log {controller}
endurance-log {controller}
predictable-lat-log {controller} --nvmset-id=1
pred-lat-event-agg-log {controller}
persistent-event-log {controller} --action=1
endurance-event-agg-log {controller}
lba-status-log {controller}
self-test-log {controller}
media-unit-stat-log {controller}
supported-cap-config-log {controller}
sanitize-log {controller}
phy-rx-eom-log {controller}
boot-part-log {controller} --output-file=/tmp/boot-partition
mgmt-addr-list-log {controller}
rotational-media-info-log {controller} --endg-id=1
changed-alloc-ns-list-log {controller}
dispersed-ns-participating-nss-log {controller} --namespace-id=1
reachability-groups-log {controller}
reachability-associations-log {controller}
host-discovery-log {controller}
ave-discovery-log {controller}
pull-model-ddc-req-log {controller}
""",
    INVALID_OPCODE: """
get-lba-status {namespace} --start-lba=0 --max-dw=1024 --action=0x10
dir-receive {controller} --dir-type=0 --dir-oper=1 --namespace-id=1
security-recv {controller} --size=512
write-uncor {namespace} --start-block=0 --block-count=0
verify {namespace} --start-block=0 --block-count=0
""",
}
ROWS = [(words, 0) for words in ANSWERED] + [(words, status) for status, lines in REFUSED.items()
                                             for words in lines.split("\n")[1:-1]]

HOST_IDENTIFIER = 0x81    # of fabrics it has 128 bits, which a host must ask for
FEATURES = {0x01, 0x02, 0x04, 0x05, 0x06, 0x07, 0x0a, 0x0b, 0x0f, 0x16, HOST_IDENTIFIER}
OF_NAMESPACES = {0x82, 0x83}    # where there are reservations


@pytest.fixture(scope="module")
def host(stage):
    return Initiator(stage.guest)


@pytest.fixture(scope="module")
def shown(stage, host):
    """A subsystem with one namespace of each kind, and its first block device."""
    stage.cluster.create_image("shown", "64M", features="layering,exclusive-lock,object-map,fast-diff")
    with Gateway(stage.here, ceph_conf=str(stage.cluster.conf), fabric=TCP, address=stage.here.address,
                 name=f"causewayd-shown-{os.getpid()}", options="--no-huge") as gateway:
        gateway.add_image("shown")
        gateway.rpc("bdev_malloc_create", {"name": "memory", "num_blocks": BLOCKS[MEMORY], "block_size": 4096})
        gateway.rpc("bdev_null_create", {"name": "null", "num_blocks": BLOCKS[NULL], "block_size": 512})
        yield host.connect(gateway.add_subsystem(NQN, "shown", "memory", "null"))
        host.disconnect_all()


@pytest.fixture(scope="module")
def controller(shown, host):
    [name] = host.controllers(NQN)
    return f"/dev/{name}"


def test_each_reading_command_is_answered_or_refused_as_specified(stage, shown, controller):
    wrong = []
    for words, expected in ROWS:
        done = stage.guest.run("nvme " + words.format(controller=controller, namespace=shown, second=shown[5:-1] + "2"))
        found = re.search(r"\(0x([0-9a-f]+)\)", done.err + done.out) if not done.ok else None
        status = int(found[1], 16) & ~MORE if found else done.rc
        if status != expected:
            wrong.append(f"{words}: {status:#x} instead of {expected:#x}\n{done.out}{done.err}")
    assert not wrong, "\n".join(wrong)


def test_the_controller_says_what_it_does(stage, controller):
    said = json.loads(stage.guest.out(f"nvme id-ctrl {controller} -o json"))
    expected = {
        "ver": 0x20000, "cntrltype": 1, "mdts": 5, "oacs": 0, "lpa": 0x26, "fuses": 1, "vwc": 6, "nvmsr": 0,
        "oncs": 0x3d,    # Compare, Dataset Management, Write Zeroes, Save and Select, Reservations: of the memory disk
        "tnvmcap": 0, "cqt": 0, "subnqn": NQN,
    }
    assert {key: said[key] for key in expected} == expected


def test_each_namespace_says_what_its_device_is(stage, shown, controller):
    plain = {"nsfeat": 0x12, "dlfeat": 9, "nvmcap": 0, "nmic": 1, "noiob": 0, "npwg": 0, "npwa": 0, "npdg": 0, "npda": 0}
    expected = {
        IMAGE: {**plain, "nsfeat": 0x13, "noiob": 4 * MIB // 4096, "npdg": 15, "npda": 15, "nows": 31, "nabsn": 1023},
        MEMORY: {**plain, "nuse": BLOCKS[MEMORY], "nows": 31},
        NULL: {**plain, "nuse": BLOCKS[NULL], "nows": 255},
    }
    for nsid, fields in expected.items():
        said = json.loads(stage.guest.out(f"nvme id-ns {controller} --namespace-id={nsid} -o json"))
        fields = {**fields, "nsze": BLOCKS[nsid], "ncap": BLOCKS[nsid]}
        assert {key: said[key] for key in fields} == fields, nsid


def test_what_is_allocated_follows_what_is_written(stage, shown, controller):
    used = f"nvme id-ns {controller} --namespace-id={IMAGE} -o json | grep -o '\"nuse\":[0-9]*' | cut -d: -f2"
    stage.guest.until(f'[ "$({used})" = 0 ]')
    stage.guest.out(f"dd if=/dev/urandom of={shown} bs=4096 count=1 oflag=direct status=none")
    stage.guest.until(f'[ "$({used})" = {4 * MIB // 4096} ]')
    stage.guest.out(f"blkdiscard {shown}")
    stage.guest.until(f'[ "$({used})" = 0 ]')


def words_of_log(stage, controller: str, lid: int, size: int) -> list[int]:
    """A log page as numbers of 32 bits."""
    raw = f"nvme get-log {controller} --log-id={lid:#x} --log-len={size} --raw-binary"
    return [int(word) for word in stage.guest.out(f"{raw} | od -An -v -tu4 -w4").split()]


def test_features_are_those_of_their_log(stage, controller):
    listed = {fid for fid, effects in enumerate(words_of_log(stage, controller, 0x12, 1024)) if effects & 1}
    assert listed == FEATURES | OF_NAMESPACES
    for fid in (*range(0x20), *range(0x78, 0x86)):
        more = f"--namespace-id={MEMORY}" if fid in OF_NAMESPACES else "--cdw11=1" if fid == HOST_IDENTIFIER else ""
        done = stage.guest.run(f"nvme get-feature {controller} --feature-id={fid:#x} {more}")
        assert done.ok == (fid in listed), (hex(fid), done)


def test_log_pages_are_those_of_their_log(stage, controller):
    listed = {lid for lid, supported in enumerate(words_of_log(stage, controller, 0, 1024)) if supported & 1}
    assert listed == {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x12, 0x13, 0x80}
    for lid in (*range(0x20), 0x70, 0x80, 0x81, 0xc0):
        done = stage.guest.run(f"nvme get-log {controller} --log-id={lid:#x} --log-len=64 --raw-binary > /dev/null")
        assert done.ok == (lid in listed), (hex(lid), done)
