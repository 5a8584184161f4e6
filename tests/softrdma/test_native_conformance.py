# SPDX-License-Identifier: Apache-2.0
"""Every row of tests/conformance over RDMA."""

import pytest
from conformance import prepared_target

NQN = "nqn.2024-01.io.causeway:disk"
CONFORMANCE = "tests/conformance/conformance"


def test_every_row_is_answered_as_it_says(gateway, fabric, run_program, tmp_path):
    if not (fabric.build / CONFORMANCE).exists():
        pytest.skip(f"{CONFORMANCE} is not built")
    gateway.add_disk("disk", 64)
    gateway.serve(NQN, "disk")
    more = prepared_target.prepare(gateway, tmp_path, "RDMA", "127.0.0.1", 4420)
    status, said = run_program("conformance", CONFORMANCE, "-t", "rdma", "-a", "127.0.0.1", "-n", NQN, *more, timeout=300)
    assert status == 0, said
    assert " rows, 0 not as expected\n" in said
