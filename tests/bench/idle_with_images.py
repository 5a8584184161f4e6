#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The cost of a gateway with eight RBD images and their hosts without I/O: idle_bench, on a real cluster."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import places, processes
from lab.ceph import Cluster

IMAGES = 8


def main() -> int:
    processes.turn_signals_into_interrupts()
    with places.Run("idle-with-images") as run, Cluster(run.folder / "ceph", logs=run.logs) as cluster:
        for number in range(IMAGES):
            cluster.create_image(f"idle{number}", "64M")
        command = [places.binary("tests/bench/idle_bench"), "--conf", cluster.conf, "--image", "idle", *sys.argv[1:]]
        print(processes.run(command, timeout=600).stdout, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
