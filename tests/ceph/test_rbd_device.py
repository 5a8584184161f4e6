# SPDX-License-Identifier: Apache-2.0
"""The RBD back end against a real cluster: the programs beside bdev_rbd/, run here with a cluster of their own."""

import pytest

from lab import places, processes, sanitizers
from lab.ceph import Cluster

PROGRAM = "bdev_rbd/rbd_device_ceph_test"
SUITES = ["RbdClient.*", "RbdIo.*:RbdCompareAndWrite.*", "RbdConditions.*:RbdRemoval.*:RbdDiscard.*",
          "RbdLifecycle.*:AllOnTheFirst.*", "RbdTrouble.*:RbdParts.*", "RbdFence.*", "RbdMemory.*"]


@pytest.fixture(scope="module")
def own_cluster():
    """Not the shared one: its OSD is stopped and its clients are blocklisted."""
    run = places.Run("rbd-device")
    try:
        with Cluster(run.folder / "ceph", logs=run.logs) as running:
            yield running
    finally:
        run.close()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("preset", ["release", "asan", "tsan"])
def test_the_unit_tests_of_the_rbd_device_pass(own_cluster, preset, suite):
    program = (places.BUILD if preset == "release" else places.CHECKOUT / "build" / preset) / PROGRAM
    if not program.exists():
        pytest.skip(f"{program.relative_to(places.CHECKOUT)} is not built")
    settings = {**sanitizers.SETTINGS, "CEPH_CONF": own_cluster.conf, "OSD_PID": own_cluster.osd_pid()}
    try:
        done = processes.run(["env", *(f"{name}={value}" for name, value in settings.items()), program,
                              f"--gtest_filter={suite}", "--gtest_brief=1"], timeout=400)
        print(done.stdout + done.stderr)
    finally:
        own_cluster.osd_resume()
