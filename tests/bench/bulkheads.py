#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What trouble of one disk, host or operator leaves to others: the scenes of tests/bulkheads, measured for longer."""

import argparse
import contextlib
import io
import resource
import statistics
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), *(str(TESTS / folder) for folder in ("bulkheads", "softrdma", "tcp", "gateway"))]

import scene as scenes    # noqa: E402
import troubles    # noqa: E402
from fabric import Fabric as SoftRdma    # noqa: E402
from lab import places, processes    # noqa: E402

TIMES = 200    # of each latency


def rates(scene: scenes.Scene, seconds: float, again) -> tuple[float, float]:
    """Commands a second, of the bystander beside the trouble and of the control, at the same time."""
    before, began = [b.done() for b in (scene.troubled, scene.control)], time.monotonic()
    again()
    time.sleep(seconds)
    after, passed = [b.done() for b in (scene.troubled, scene.control)], time.monotonic() - began
    return tuple((n - m) / passed for n, m in zip(after, before))


def measure(scene: scenes.Scene, trouble, wanted) -> str:
    with trouble(scene) as again:
        pairs = [rates(scene, wanted.seconds, again) for _ in range(wanted.rounds)]
        beside, control = (statistics.median(side) for side in zip(*pairs))
        share = statistics.median(one / other for one, other in pairs)
        line = f"{beside:7.0f} {control:8.0f} {share:6.0%}  "
        for what in ("keep_alive", "rpc"):
            for seconds in scene.latencies(what, TIMES, troubles.nothing):
                line += f" {seconds[TIMES // 2] * 1e3:7.2f} {seconds[-1] * 1e3:6.1f}"
    return line


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    words.add_argument("--rounds", type=int, default=9, help="of which the medians are told")
    words.add_argument("--seconds", type=float, default=1, help="of each round")
    words.add_argument("--troubles", nargs="+", help="their names in troubles.py; all if none is named")
    wanted = words.parse_args()
    processes.turn_signals_into_interrupts()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, hard), hard))
    print(f"median IOPS of {wanted.rounds} rounds of {wanted.seconds:g} s, of the bystander and of the control; "
          f"ms, median and longest of {TIMES}, of the gateway with trouble and of the control")
    print(f"{'':34} {'beside':>7} {'control':>8} {'share':>6}    Keep Alive{'':20}RPC")
    with places.Run("bulkheads") as run, scenes.two_pools(run) as cluster:
        for trouble, fabric in troubles.ALL:
            if wanted.troubles and trouble.__name__ not in wanted.troubles:
                continue
            folder = run.folder / f"{trouble.__name__}-{fabric}"
            folder.mkdir()
            with contextlib.redirect_stdout(io.StringIO()):    # the ends of logs
                with scenes.set_up(folder, cluster, fabric, SoftRdma(folder, places.BUILD)) as scene:
                    line = measure(scene, trouble, wanted)
            print(f"{trouble.__name__:28} {fabric!s:5} {line}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
