# SPDX-License-Identifier: Apache-2.0
"""The command `causeway` as a host over RDMA."""

import json

import pytest
from programs import COMMAND

NQN = "nqn.2024-01.io.causeway:disk"


@pytest.fixture
def served(gateway, fabric):
    if not (fabric.build / COMMAND).exists():
        pytest.skip(f"{COMMAND} is not built")
    gateway.add_disk("disk", 64)
    gateway.serve(NQN, "disk")
    return gateway


@pytest.mark.parametrize("how", [(), ("--events",)], ids=["polls", "sleeps"])
@pytest.mark.parametrize("size", [512, 4096, 131072])
def test_written_data_reads_back(served, run_program, slower, size, how):
    count = int(max(400, 20000 // slower // max(1, size // 4096)))
    status, said = run_program("perf", COMMAND, "perf", "-t", "rdma", "-a", "127.0.0.1", "-n", NQN, "--verify", "--mix", 50,
                               "--size", size, "--count", count, "--json", *how)
    assert status == 0, said
    done = json.loads(said)
    assert done["read"]["commands"] + done["write"]["commands"] == count
    assert done["verified_blocks"] > 0 and done["failed"] == 0


def test_a_host_authenticates(served, run_program, tmp_path):
    host = "nqn.2024-01.io.causeway:dhchap-host"
    keys = {"right": "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
            "wrong": "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"}
    for name, text in keys.items():
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(text + "\n")
    served.call("keyring_file_add_key", {"name": "key", "path": str(tmp_path / "right")})
    served.call("nvmf_subsystem_add_host", {"nqn": NQN, "host": host, "dhchap_key": "key", "dhchap_ctrlr_key": "key"})

    def perf(*options) -> int:
        status, said = run_program("perf", COMMAND, "perf", "-t", "rdma", "-a", "127.0.0.1", "-n", NQN, "-q", host, "--verify",
                                   "--mix", 50, "--count", 400, *options)
        print(said)
        return status
    assert perf("--dhchap-key", tmp_path / "right", "--dhchap-ctrl-key", tmp_path / "right") == 0
    assert perf("--dhchap-key", tmp_path / "wrong") == 3
    assert perf() == 3


def test_identify_and_discover_report_the_target(served, run_program):
    status, said = run_program("identify", COMMAND, "identify", "-t", "rdma", "-a", "127.0.0.1", "-n", NQN, "--json")
    assert status == 0, said
    namespace, = json.loads(said)[0]["namespaces"]
    assert namespace["blocks"] * namespace["block_size"] == 64 << 20
    status, said = run_program("discover", COMMAND, "discover", "-t", "rdma", "-a", "127.0.0.1", "--json")
    assert status == 0, said
    assert NQN in [entry["subnqn"] for entry in json.loads(said)]


def test_an_address_without_a_listener_is_reported(served, run_program):
    status, said = run_program("identify", COMMAND, "identify", "-t", "rdma", "-a", "127.0.0.1", "-s", "4999", "-n", NQN)
    assert status == 3
    assert "rdma 127.0.0.1:4999: Connection refused" in said
