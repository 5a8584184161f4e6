#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Where the instructions of one I/O go: by object, and by function with its calls.

Measures one target and one workload as null_beside_nvmet.py does, twice, for one virtual second and for two, and counts
every block of code that the guest runs. The second run does all that the first did and a second's I/Os more: what it has
more of is the cost of those, exact to a thousandth. User space is told apart by address; what belongs to no mapping of
causewayd is "other programs", which is fio.
"""

import bisect
import collections
import re
import sys
from pathlib import Path

import null_beside_nvmet as null
from lab import icount, kernel, places, processes
from lab.progress import Progress

PLUGIN = Path(__file__).with_name("count_blocks.c")
EPILOGUE = """
echo "@@ symbols"
grep -i ' [tw] ' /proc/kallsyms
for process in /proc/[0-9]*; do
    read -r name < $process/comm
    [ "$name" != causewayd ] || cat $process/maps
done
"""


def main() -> int:
    parser = null.parser(__doc__)
    parser.set_defaults(targets=["causewayd"], workloads=["randread/32"], rounds=1)
    parser.add_argument("--functions", type=int, default=50, help="so many of the dearest (default: 50)")
    wanted = parser.parse_args()
    if len(wanted.targets) > 1 or len(wanted.workloads) > 1:
        parser.error("one target and one workload at a time")
    processes.turn_signals_into_interrupts()
    run = places.Run("null-profile")
    try:
        counts, ios = [], []
        for wanted.seconds in (1, 2):
            with Progress(sys.stderr).step(f"{wanted.targets[0]} {wanted.workloads[0]}, {wanted.seconds} virtual s") as step:
                output, counted = profiled(wanted, run)
                measured = null.measurements(output.partition("@@ symbols")[0])
                step.note = f"{measured[0].iops:.0f} IOPS"
            counts.append(counted)
            ios.append(measured[0].ios)
        counts[1].subtract(counts[0])
        print(report(counts[1], ios[1] - ios[0], Symbols(output.partition("@@ symbols")[2]), wanted.functions))
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        run.close()


def profiled(wanted, run: places.Run) -> tuple[str, collections.Counter]:
    """What the guest printed, and how often each block of code ran, by address and length."""
    plugin, counted = run.folder / "count_blocks.so", run.folder / "blocks"
    processes.run(["cc", "-O2", "-shared", "-fPIC", "-o", plugin, PLUGIN])
    the_kernel = kernel.get()
    output = icount.run(the_kernel, null.contents(the_kernel, wanted, EPILOGUE), run.folder, run.logs, name=f"{wanted.seconds}s",
                        words=wanted.words, timeout=wanted.timeout, extra_qemu=["-plugin", f"{plugin},out={counted}"])
    lines = (line.split() for line in counted.read_text().splitlines())
    return output, collections.Counter({(int(address, 16), int(length)): int(times) for address, length, times in lines})


class Table:
    """Functions by address."""

    def __init__(self, symbols: list[tuple[int, str]]):
        self._symbols = sorted(symbols)
        self._addresses = [address for address, _ in self._symbols]

    def find(self, address: int) -> tuple[str, bool]:
        """The function that `address` is in, and whether it begins there."""
        i = bisect.bisect_right(self._addresses, address) - 1
        return (self._symbols[i][1], self._addresses[i] == address) if i >= 0 else ("?", False)


class Symbols:
    """What is where in the guest, from its /proc/kallsyms and causewayd's /proc/PID/maps."""

    def __init__(self, text: str):
        kernel_lines = re.findall(r"^([0-9a-f]{16}) \w (\S+)(?:\s+\[(\w+)\])?$", text, re.MULTILINE)
        self._modules = {name: module for _, name, module in kernel_lines if module}
        self._kernel = Table([(int(address, 16), name) for address, name, _ in kernel_lines])
        code = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) r-xp ([0-9a-f]+) \S+ \d+ +(/\S+)$", text, re.MULTILINE)
        self._mappings = [(int(first, 16), int(end, 16), int(offset, 16), Path(path)) for first, end, offset, path in code]
        self._objects: dict[Path, tuple[int, Table]] = {}

    def find(self, address: int) -> tuple[str, str, bool]:
        """The object, the function, and whether it begins at `address`."""
        if address >> 63:
            name, begins = self._kernel.find(address)
            return self._modules.get(name, "kernel"), name, begins
        for first, end, offset, path in self._mappings:
            if first <= address < end:
                shift, functions = self._object(path)
                return path.name, *functions.find(address - first + offset + shift)
        return "other programs", "", False

    def _object(self, path: Path) -> tuple[int, Table]:
        """How far addresses lie behind offsets in the file's code, and its functions: those of its dynamic table if it is stripped."""
        if path not in self._objects:
            headers = processes.run(["readelf", "-lW", path]).stdout
            offset, address = re.search(r"LOAD +(0x\w+) (0x\w+) .* R E ", headers).groups()
            listed = ""
            for which in ("-C", "-CD"):
                listed = listed or processes.run(["nm", which, path], check=False).stdout
            functions = re.findall(r"^([0-9a-f]{16}) [tTwWiuV] (.*)$", listed, re.MULTILINE)
            table = Table([(int(at, 16), name) for at, name in functions])
            self._objects[path] = int(address, 16) - int(offset, 16), table
        return self._objects[path]


def report(counts: collections.Counter, ios: int, symbols: Symbols, functions: int) -> str:
    """REQUIRES: what `counts` has was spent on `ios`."""
    by_object, by_function, calls = (collections.Counter() for _ in range(3))
    for (address, length), times in counts.items():
        if times:
            where, name, begins = symbols.find(address)
            by_object[where] += times * length
            by_function[where, name] += times * length
            calls[where, name] += times if begins else 0
    total = by_object.total()
    lines = [f"{total / ios:8.0f} instructions for one I/O", "", "instructions         object"]
    lines += [f"{n / ios:12.0f} {100 * n / total:6.1f}%  {name}" for name, n in by_object.most_common() if n >= ios]
    lines += ["", "instructions          calls  function"]
    lines += [f"{n / ios:12.0f} {100 * n / total:6.1f}% {calls[key] / ios:7.2f}  {key[1][:90]} [{key[0]}]"
              for key, n in by_function.most_common(functions)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
