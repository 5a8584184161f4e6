# SPDX-License-Identifier: Apache-2.0
"""The cluster that native tests use."""

import subprocess

from lab.ceph import Cluster

MIB = 1 << 20


def test_the_cluster_is_healthy(cluster):
    assert cluster.ceph("health").strip() == "HEALTH_OK"


def test_an_image_is_created_as_asked(cluster):
    cluster.create_image("asked", 12345 * 512, object_size="1M")
    info = cluster.image("asked")
    assert (info["size"], info["object_size"], info["features"]) == (12345 * 512, MIB, ["layering", "exclusive-lock"])


def test_an_image_exports_what_was_written(cluster, tmp_path):
    cluster.create_image("exported", 4 * MIB)
    cluster.rbd("bench", "--io-type", "write", "--io-size", "4K", "--io-total", "1M", "rbd/exported")
    content = cluster.export_image("exported", tmp_path / "content").read_bytes()
    assert len(content) == 4 * MIB and content.strip(b"\0")


def test_two_clusters_live_side_by_side(cluster, tmp_path):
    with Cluster(tmp_path / "other") as other:
        other.create_image("only-there", "16M")
        assert "only-there" not in cluster.rbd("ls").split()


def test_a_stopped_cluster_leaves_no_process(tmp_path):
    with Cluster(tmp_path / "brief") as brief:
        pids = brief.pids()
    assert subprocess.run(["ps", "-p", ",".join(map(str, pids))], stdout=subprocess.DEVNULL).returncode == 1
