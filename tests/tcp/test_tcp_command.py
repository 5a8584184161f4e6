# SPDX-License-Identifier: Apache-2.0
"""The command `causeway` as a host: what it says of a target, and what it reads back."""

import json
import os
import subprocess

import pytest
from gateway_nqn import NQN
from lab import places, sanitizers


@pytest.fixture
def causeway(gateway, preset):
    """Runs it against the gateway; its exit status and its words."""
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
def test_what_was_written_reads_back(causeway, size, how):
    count = max(300, 8000 // max(1, size // 4096))
    status, said, errors = causeway("perf", "-n", NQN, "--namespaces", 1, "--verify", "--mix", 50, "--size", size, "--depth", 16,
                                    "--count", count, "--json", *how)
    assert status == 0, errors
    done = json.loads(said)
    assert done["read"]["commands"] + done["write"]["commands"] == count
    assert done["verified_blocks"] > 0 and done["failed"] == 0


def test_what_a_target_says_of_itself(causeway, gateway):
    status, said, errors = causeway("identify", "-n", NQN, "--json")
    assert status == 0, errors
    assert [(n["nsid"], n["block_size"]) for n in json.loads(said)[0]["namespaces"]] == [(1, 512), (2, 4096)]
    status, said, errors = causeway("discover", "--json")
    assert status == 0, errors
    assert (NQN, str(gateway.address[1])) in [(e["subnqn"], e["trsvcid"]) for e in json.loads(said)]


def test_who_is_not_there(causeway):
    status, _, errors = causeway("perf", "-n", NQN, address=("127.0.0.1", 1))
    assert (status, errors) == (3, "causeway perf: tcp 127.0.0.1:1: Connection refused\n")
    status, _, errors = causeway("perf", "-n", NQN + "x")
    assert status == 3 and "connect_invalid_parameters" in errors


def test_a_size_that_is_no_number_of_blocks(causeway):
    status, _, errors = causeway("perf", "-n", NQN, "--size", 1001)
    assert status == 2 and "not a multiple of the block size" in errors
