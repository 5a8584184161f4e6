# SPDX-License-Identifier: Apache-2.0
"""Trouble of one disk, host or operator does not affect others: natively, with a real cluster, over both fabrics."""

import pytest
import troubles

WINDOWS, COMMANDS = 9, 600
BEST = 3
"""So many of the windows must be good. The machine spoils some; a gateway that keeps hosts waiting spoils all."""

TIMES = 40
WITHIN = 0.1
"""Seconds for nine of ten Keep Alives and RPCs, beyond what this machine takes for them anyway."""


@pytest.mark.parametrize("trouble,fabric", troubles.ALL, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_bystander_keeps_four_fifths_of_its_rate(scene, trouble, fabric):
    """At four fifths of the rate, nothing fails, and Keep Alive, RPC and newcomers are answered."""
    with trouble(scene) as again:
        shares = [scene.share(COMMANDS, again) for _ in range(WINDOWS)]
        print("share of the control's commands:", *(f"{share:.2f}" for share in shares))
        assert sorted(shares)[-BEST] >= 0.8
        for what in ("keep_alive", "rpc"):
            troubled, control = (seconds[TIMES * 9 // 10] for seconds in scene.latencies(what, TIMES, again))
            print(f"{what}, nine of ten within {troubled * 1e3:.1f} ms, of the control {control * 1e3:.1f} ms")
            assert troubled <= control + WITHIN
        scene.troubled.must_serve_newcomers()
    scene.troubled.stop()
    scene.control.stop()
