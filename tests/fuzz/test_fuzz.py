# SPDX-License-Identifier: Apache-2.0
"""Each fuzzer for a bounded time, from its seeds: nothing may be found. What is found lies in the log folder."""

import importlib.util
import os
import re
from pathlib import Path

import pytest
from lab import places, processes

BUILD = places.CHECKOUT / os.environ.get("CAUSEWAY_FUZZ_BUILD", "build/asan") / "tests/fuzz"

SECONDS = {"rdma_capsule_fuzzer": 20, "sgl_fuzzer": 5, "rdma_private_data_fuzzer": 5, "tcp_pdu_fuzzer": 5, "tcp_stream_fuzzer": 20,
           "nvme_controller_fuzzer": 20, "auth_exchange_fuzzer": 5}
if os.environ.get("CAUSEWAY_LONG"):
    SECONDS = {fuzzer: 300 for fuzzer in SECONDS}

LEAST_EXECUTIONS = {"rdma_capsule_fuzzer": 1000, "sgl_fuzzer": 50000, "rdma_private_data_fuzzer": 50000,
                    "tcp_pdu_fuzzer": 10000, "tcp_stream_fuzzer": 200, "nvme_controller_fuzzer": 150,
                    "auth_exchange_fuzzer": 500}
"""In that time, of a build that does not optimize, on a machine that does much else. Fewer means that it did not do what it is for."""


def write_seeds(folder: Path) -> None:
    spec = importlib.util.spec_from_file_location("seeds", Path(__file__).with_name("seeds.py"))
    seeds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeds)
    seeds.write_seeds(folder)


@pytest.fixture(scope="module")
def run():
    with places.Run("fuzz") as folders:
        write_seeds(folders.folder / "seeds")
        yield folders


@pytest.mark.parametrize("fuzzer", SECONDS)
def test_a_fuzzer_finds_nothing(run, fuzzer):
    program = BUILD / fuzzer
    if not program.exists():
        pytest.skip(f"{program} is not built")
    corpus, history, log = run.folder / fuzzer, run.logs / f"{fuzzer}.history", run.logs / f"{fuzzer}.log"
    corpus.mkdir()
    words = ["env", f"CAUSEWAY_FUZZ_HISTORY={history}", "UBSAN_OPTIONS=print_stacktrace=1", program,
             f"-max_total_time={SECONDS[fuzzer]}", "-max_len=2048", "-timeout=30", "-rss_limit_mb=4096",
             "-print_final_stats=1", f"-artifact_prefix={run.logs}/{fuzzer}-", corpus, run.folder / "seeds" / fuzzer]
    process = processes.spawn(words, log=log)
    try:
        status = process.wait(SECONDS[fuzzer] + 120)
    finally:
        processes.end(process)
    said = log.read_text(errors="replace")
    assert status == 0, f"{log}, {history}:\n{said[-6000:]}"
    history.unlink(missing_ok=True)
    executed = int(re.search(r"number_of_executed_units: *(\d+)", said)[1])
    print(f"{fuzzer}: {executed} executions; {said.splitlines()[-1]}")
    assert executed >= LEAST_EXECUTIONS[fuzzer], said[-2000:]
