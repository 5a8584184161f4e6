# SPDX-License-Identifier: Apache-2.0
"""The command `causeway` as a host over TCP."""

import json
import os
import subprocess

import pytest
from gateway_nqn import NQN
from lab import places, sanitizers


@pytest.fixture
def causeway(gateway, preset):
    """Runs the command against the gateway; returns its exit status and its output."""
    program = places.BUILD.parent / preset / "tools/causeway"
    if not program.exists():
        pytest.skip(f"{program} is not built")

    def run(command: str, *options, address=gateway.address) -> tuple[int, str, str]:
        done = subprocess.run([program, command, "-a", address[0], "-s", str(address[1]), *map(str, options)], capture_output=True,
                              text=True, timeout=120, env={**sanitizers.SETTINGS, **os.environ})
        return done.returncode, done.stdout, done.stderr
    return run


@pytest.mark.parametrize("how", [(), ("--header-digest", "--data-digest"), ("--events",), ("--reconnect", 10),
                                 ("--pattern", "sequential")], ids=lambda how: " ".join(map(str, how)) or "plain")
@pytest.mark.parametrize("size", [512, 4096, 131072])
def test_written_data_reads_back(causeway, size, how):
    count = max(300, 8000 // max(1, size // 4096))
    status, said, errors = causeway("perf", "-n", NQN, "--namespaces", 1, "--verify", "--mix", 50, "--size", size, "--depth", 16,
                                    "--count", count, "--json", *how)
    assert status == 0, errors
    done = json.loads(said)
    assert done["read"]["commands"] + done["write"]["commands"] == count
    assert done["verified_blocks"] > 0 and done["failed"] == 0


def test_identify_and_discover_report_the_target(causeway, gateway):
    status, said, errors = causeway("identify", "-n", NQN, "--json")
    assert status == 0, errors
    assert [(n["nsid"], n["block_size"]) for n in json.loads(said)[0]["namespaces"]] == [(1, 512), (2, 4096)]
    status, said, errors = causeway("discover", "--json")
    assert status == 0, errors
    assert (NQN, str(gateway.address[1])) in [(e["subnqn"], e["trsvcid"]) for e in json.loads(said)]


def test_a_target_that_does_not_exist_is_reported(causeway):
    status, _, errors = causeway("perf", "-n", NQN, address=("127.0.0.1", 1))
    assert (status, errors) == (3, "causeway perf: tcp 127.0.0.1:1: Connection refused\n")
    status, _, errors = causeway("perf", "-n", NQN + "x")
    assert status == 3 and "connect_invalid_parameters" in errors


def test_a_size_that_is_not_a_multiple_of_the_block_size_is_refused(causeway):
    status, _, errors = causeway("perf", "-n", NQN, "--size", 1001)
    assert status == 2 and "not a multiple of the block size" in errors
