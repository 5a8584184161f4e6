#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the words and the READMEs of the tree.

    check_words.py ROOT            no identifier that has another name now (docs/glossary.md), no unfinished work, a license in each source
    check_words.py ROOT --files    every file is named in the README of its folder

Prints a line for each offence, "file:line: why", and ends with 1 if there are any.
"""

import argparse
import fnmatch
import re
import sys
from pathlib import Path

# Identifiers that were ours, and what they are called now.
FORMER = {
    "admit_host": "subsystem_add_host", "agree_on_queues": "negotiate_queue_count", "agreement": "negotiated_params",
    "answer_host": "accept_connection", "answer_with": "set_response_data",
    "answer_with_struct": "set_response_struct", "anybody_waits": "has_waiters", "ask_for_events": "request_events",
    "ask_for_queues": "request_io_queues", "ask_to_be_told": "request_removal_events",
    "at_the_cost_of_another": "evicted_another", "blocking_on_the_spot": "inline_executor",
    "break_off": "stop_sending", "brings_its_buffer": "has_private_buffer", "buffer_line": "account_class",
    "by_itself": "by_hotplug", "close_elsewhere": "close_on_cluster_threads", "closed_by_us": "on_closed_by_us",
    "closed_by_us_": "on_closed_by_us_", "controller_facts": "controller_info", "cut_off": "disable_dma",
    "data_place": "data_location", "deaf_": "peer_reads_no_more_", "driver_world": "driver_fixture",
    "drop_waiting": "abandon_waiting", "end_of_removals": "wait_for_removals",
    "enter_to_change": "acquire_namespace_to_change", "events_in_hand_": "events_in_progress_",
    "expect_no_second": "cancel_expected_second", "find_capsule_room": "allocate_capsule_data",
    "find_out": "read_attributes", "finish_at_home": "finish_on_home_core", "finish_if_over": "complete_if_done",
    "finish_noted": "finish_logged", "follow_memory": "track_dpdk_memory", "follow_namespaces": "update_devices",
    "follow_use": "grow_with_use", "forget_host": "subsystem_remove_host",
    "forget_lost_devices": "remove_lost_devices", "fresh_client": "connect_new_client",
    "give_back_buffer": "release_buffer", "give_back_slot": "release_slot",
    "give_host_memory": "set_up_host_memory_buffer", "give_to_librbd": "tsan_release_to_librbd",
    "give_up_after": "no_path_timeout", "go_on_later": "schedule_wake_up", "go_on_with_held": "resume_held_io",
    "hand_own_on": "pass_own_buffer_on", "hand_to": "transfer_to", "hand_to_disk": "transfer_to_disk",
    "has_mail": "has_messages", "have_buffer": "on_buffer", "have_room": "use_buffer",
    "heard_of_host": "refresh_keep_alive", "host_is_silent": "on_keep_alive_timeout",
    "interest_told": "registered_interest", "is_behind": "listens_on", "is_short_of_memory": "needs_memory",
    "is_spoilt": "has_digest_error", "is_used_up": "is_exhausted", "issue_what_may": "issue_queued",
    "keep_addresses": "store_addresses", "known_as_": "previous_names_", "leave_line": "remove_waiter",
    "leave_strangers": "remove_pending", "librbd_has_none": "wait_for_librbd",
    "limits_of_hosts": "host_connection_limits", "log_changed": "ana_log_changed",
    "long_one_is_due": "should_issue_long", "look_at_namespace": "read_namespace_info",
    "look_at_states": "schedule_ana_read", "look_for_header": "check_header", "look_for_new": "scan_for_controllers",
    "look_for_timeouts": "check_timeouts", "look_into_trash": "check_trash", "mail_budget": "message_budget",
    "method_world": "method_fixture", "name_space": "nvm_namespace", "namespace_facts": "namespace_info",
    "note_stall": "record_stall", "numbers_of_hosts": "host_number_leases", "on_bye": "on_host_done",
    "part_if_done": "destroy_if_done", "place_qpair": "assign_core", "placed_on": "count_on",
    "places_": "slots_, qpair_slots_", "put_in_line": "enqueue", "reactors_by_hand": "manual_reactors",
    "read_done": "on_read_done", "read_line_": "read_waiters_", "reads_log": "reading_ana_log",
    "receive_failed": "on_receive_error", "receive_ledger": "receive_credits", "restart_by_itself": "schedule_reset",
    "run_steps": "run_io_sequence", "said_bye": "host_is_done", "say_connect": "send_connect_command",
    "say_period": "log_period", "scarce_world": "scarce_fixture", "send_line_": "send_waiters_",
    "share_doorbells": "set_up_shadow_doorbells", "silent_hosts": "keep_alive_limiter",
    "spread_timeout": "propagate_timeout", "strangers_of_address": "pending_per_address", "take_apart": "tear_down",
    "take_arrivals": "process_completions", "take_from_librbd": "tsan_acquire_from_librbd",
    "take_leave": "linger_close", "take_news": "take_change", "take_out_of_line": "dequeue",
    "takes_broadcast": "allows_broadcast_nsid", "tell_gave_up": "publish_no_path",
    "tell_of_discovery_change": "notify_discovery_change", "time_to_say_so": "should_log_full",
    "turnstile": "async_mutex", "unplace_qpair": "release_core", "waiting_lines": "account_queue",
    "waits_for_log": "ana_read_waiter", "waits_for_tasks_": "tasks_waiter_", "wake_if_settled": "notify_if_settled",
    "wants_data_sent": "has_data_to_send", "watch_over_paths": "update_no_path_timer",
    "watches_room_": "waits_for_writable_", "what_blocks": "blocking_account", "where_served": "required_op",
    "who_must_go": "connection_to_evict",
}

# Part of an identifier, and what it is called now.
FORMER_PARTS = {r"^(most|least)_": "max_, min_"}
ALLOWED = {"least_loaded"}  # the value of --placement

# Folders with words of their own.
OTHER_WORDS = ("tests/softrdma/",)

SOURCES = {".h", ".cc", ".py", ".sh", ".c"}
LICENSE = "SPDX-License-Identifier: Apache-2.0"  # the line that each source begins with; empty: none is asked for
SKIP = {"build", "docs", "cmake"}
UNNAMED = {"README.md", "CMakeLists.txt", "conftest.py"}
UNFINISHED = re.compile("|".join(("TO" "DO", "FIX" "ME")))

COMMENT_OR_TEXT = re.compile(r'''//[^\n]*|/\*.*?\*/|R"([^()\\\s]{0,16})\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"''', re.S)
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
TEST_NAME = re.compile(r"^\s*TEST\w*\(.*$", re.M)


def files(root: Path):
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name.split("/")[0] not in SKIP and "/." not in "/" + name and "__pycache__" not in name:
            yield path, name


def blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match.group(0))


def check_identifiers(name: str, text: str) -> list[str]:
    if not name.endswith((".h", ".cc")) or name.startswith(OTHER_WORDS):
        return []
    code = TEST_NAME.sub(blank, COMMENT_OR_TEXT.sub(blank, text))
    offences = []
    for match in IDENTIFIER.finditer(code):
        word = match.group(0)
        now = FORMER.get(word)
        if now is None and word not in ALLOWED:
            now = next((to for part, to in FORMER_PARTS.items() if re.search(part, word)), None)
        if now:
            line = code.count("\n", 0, match.start()) + 1
            offences.append(f"{name}:{line}: {word} is called {now} now (docs/glossary.md)")
    return offences


def check_unfinished(name: str, text: str) -> list[str]:
    if name.startswith("tests/house/"):  # the checks themselves name what they look for
        return []
    return [f"{name}:{number}: unfinished work" for number, line in enumerate(text.splitlines(), 1) if UNFINISHED.search(line)]


def check_license(name: str, text: str) -> list[str]:
    """Among the first lines: a script begins with its interpreter."""
    return [] if not LICENSE or not text or LICENSE in "\n".join(text.split("\n")[:2]) else [f"{name}:1: no {LICENSE}"]


def check_words(root: Path) -> list[str]:
    offences = []
    for path, name in files(root):
        if path.suffix in SOURCES:
            text = path.read_text(errors="replace")
            offences += check_identifiers(name, text) + check_unfinished(name, text) + check_license(name, text)
    return offences


def named(readme: str, file: str) -> bool:
    """Whether a README names a file: as a whole, without its extension, or by a pattern (`cases_*.cc`)."""
    stem = file.rsplit(".", 1)[0]
    for words in re.findall(r"`([^`\n]+)`", readme) + re.findall(r"^ {4}(.*)$", readme, re.M):
        for word in re.split(r"[\s,()\[\]]+", words):
            word = word.rstrip(".:;").split("/")[-1]
            if word in (file, stem) or ("*" in word and (fnmatch.fnmatch(file, word) or fnmatch.fnmatch(stem, word))):
                return True
    return False


def check_files(root: Path) -> list[str]:
    """A test beside its file, `x_test.cc`, need not be named; a folder without a README is described in its parent's."""
    offences = []
    for path, name in files(root):
        folder = path.parent
        if folder == root or path.name in UNNAMED or path.suffix not in SOURCES or path.stem.endswith("_test"):
            continue
        readme = folder / "README.md"
        if not readme.is_file():
            readme = folder.parent / "README.md"
        if not readme.is_file() or not named(readme.read_text(), path.name):
            if readme.parent != folder and readme.is_file() and f"{folder.name}/" in readme.read_text():
                continue
            offences.append(f"{name}:1: not named in {readme.relative_to(root).as_posix()}")
    return offences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--files", action="store_true")
    arguments = parser.parse_args()
    offences = (check_files if arguments.files else check_words)(arguments.root)
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
