# SPDX-License-Identifier: Apache-2.0
"""Where the images' main threads are: spread evenly, or all on one core, which does not scale. Both serve alike."""

import os
from collections import Counter

import pytest

from lab import disk, fio
from lab.fabric import RDMA

IMAGES = 8

PLACEMENTS = [pytest.param("", {0: 4, 1: 4}, id="round_robin, the default, spreads main threads evenly")]
if "CAUSEWAY_LONG" in os.environ:    # core/placement_test shows which core it takes, and I/O goes the same way
    PLACEMENTS.append(pytest.param("--placement first", {0: 8}, id="first puts all of them on one core"))


@pytest.mark.over(RDMA)    # the placement of main threads does not depend on the fabric
@pytest.mark.parametrize("options, spread", PLACEMENTS)
def test_eight_images_serve_a_verified_load(lab, new_gateway, guest, host, fabric, options, spread):
    gateway = new_gateway(cores="0x3", options=options)
    kind = "first" if options else "even"
    images = [f"{kind}{n}-{fabric}" for n in range(IMAGES)]
    targets = [disk.serve(lab, gateway, image, "8M") for image in images]

    assert Counter(gateway.main_core(image) for image in images) == spread

    devices = [host.connect(target, "-i 1") for target in targets]
    done = fio.verify(guest, *devices, bs="16k", depth=4, size="1m", timeout=180)
    assert done.write.bytes == done.read.bytes == IMAGES << 20
    assert Counter(gateway.main_core(image) for image in images) == spread, "I/O moves no image"
