# SPDX-License-Identifier: Apache-2.0
"""How long a host's first write takes after its controller was away: from when that is live again to the answer.

usage: first_write.py CONTROLLER DEVICE OFFSET     one block of zeroes; says "waiting", then so many seconds
"""

import mmap
import os
import sys
import time
from pathlib import Path

BLOCK = 4096


def wait_until(condition) -> None:
    while not condition():
        time.sleep(0.01)


def main(controller: str, device: str, offset: str) -> None:
    state = Path("/sys/class/nvme", controller, "state")
    disk = os.open(device, os.O_WRONLY | os.O_DIRECT)
    block = mmap.mmap(-1, BLOCK)    # direct I/O wants whole pages
    print("waiting", flush=True)
    wait_until(lambda: state.read_text() != "live\n")
    wait_until(lambda: state.read_text() == "live\n")
    live = time.monotonic()
    os.pwrite(disk, block, int(offset))
    print(time.monotonic() - live)


if __name__ == "__main__":
    main(*sys.argv[1:])
