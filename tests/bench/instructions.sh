#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Counts the instructions of one command through `loop` and the null device, and says where they go.
#
#   instructions.sh [BUILD] [options of loop_null_bench]
#
# Only the turns of the core that serves the commands are counted. What a host does is told apart by function name: making
# commands, submitting them, taking answers. A count repeats from run to run; time on a shared machine does not.
set -euo pipefail
build=${1:-build/release}
shift || true
commands=20000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The C library fills large buffers with one `rep stosb`, which valgrind counts as thousands of instructions and a processor
# as one. Here it takes its vector loop, whose instructions can be counted.
export GLIBC_TUNABLES=glibc.cpu.x86_rep_stosb_threshold=1048576:glibc.cpu.x86_rep_movsb_threshold=1048576

valgrind --quiet --tool=callgrind --toggle-collect='*measured*' --callgrind-out-file="$work/out" \
    "$build/tests/bench/loop_null_bench" --commands "$commands" "$@" > "$work/said" 2> "$work/errors" || {
    cat "$work/errors" >&2
    exit 1
}
sed 's/:.*//' "$work/said"
callgrind_annotate --auto=no --threshold=100 "$work/out" > "$work/table"

awk -v commands="$commands" '
    # "1,020,156 ( 1.03%)  FILE:causeway::loop::loop_qpair::receive(causeway::loop::slot&) [OBJECT]"
    /^ *[0-9,]+ \(/ && !/PROGRAM TOTALS/ {
        count = $1; gsub(",", "", count)
        who = "gateway"
        if (/bench::|host_queue::submit|host_queue::answered|loop::make_|udivti3|measured/) who = "host"
        if (/:__?mem(set|cpy|move)/) who = "data"
        sum[who] += count
        if (who != "gateway") next
        name = $0
        sub(/^[^:]*[^:]:/, "", name); sub(/ \[[^]]*\]$/, "", name)
        gsub(/\(anonymous namespace\)::|causeway::/, "", name); sub(/\(.*/, "", name); sub(/^void /, "", name)
        of[name] += count
    }
    END {
        printf "\n%8s  instructions per command\n", ""
        printf "%8.1f  the gateway: transport, target, device\n", sum["gateway"] / commands
        printf "%8.1f  zeroing or copying the data, as vector instructions\n", sum["data"] / commands
        printf "%8.1f  both\n", (sum["gateway"] + sum["data"]) / commands
        printf "%8.1f  the host and its load, not counted above\n\nthe gateway by function:\n", sum["host"] / commands
        for (f in of) if (of[f] / commands >= 0.5) printf "%8.1f  %s\n", of[f] / commands, f | "sort -rn"
    }' "$work/table"
