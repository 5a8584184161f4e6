# SPDX-License-Identifier: Apache-2.0
"""Child processes that cannot outlive us, and are ended by their process id.

Two small programs of util-linux stand before the command and become it by exec, so the process id stays the same:
`setpriv --pdeathsig` makes the kernel end the child when we die, however we die, and `nsenter` puts it into a
network namespace. (Python's own hook between fork and exec is not safe beside threads.)

The kernel watches the *thread* that started the child: start long-lived processes from the main thread.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path


class CommandFailed(Exception):
    """A command that must succeed has failed."""


def prefix(network=None, outlive: bool = False) -> list[str]:
    """The prefix of a command, which ties its end to ours and selects its network."""
    tied = [] if outlive else ["setpriv", "--pdeathsig", "KILL"]
    return tied + (network.enter() if network else [])


def spawn(argv, *, network=None, log: Path | None = None, outlive: bool = False, cwd=None) -> subprocess.Popen:
    """Starts a long-lived process in a session of its own: Ctrl-C reaches us alone, and we end it in order."""
    command = prefix(network, outlive) + [str(word) for word in argv]
    output = open(log, "ab") if log else subprocess.DEVNULL
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                start_new_session=True, cwd=cwd, pass_fds=network.descriptors() if network else ())
    finally:
        if log:
            output.close()


def run(argv, *, network=None, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess:
    """Runs a command to its end. `check`: its failure is an exception that says what it printed."""
    argv = [str(word) for word in argv]
    try:
        done = subprocess.run(prefix(network) + argv, capture_output=True, text=True, errors="replace", timeout=timeout,
                              stdin=subprocess.DEVNULL, pass_fds=network.descriptors() if network else ())
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(f"{' '.join(argv)}: not done after {timeout} s") from late
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def end(process: subprocess.Popen | None, grace: float = 5) -> None:
    """Ends what `spawn` started, and its children that stayed in its session: politely, then not.

    Its exit status is collected last: until then its process id, which is its session's too, can belong to nobody else.
    A stopped process is continued, or it could not hear.
    """
    if process is None or process.returncode is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    os.killpg(process.pid, signal.SIGCONT)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def first_of_namespace(process: subprocess.Popen) -> int | None:
    """The first process of the namespace of `process`, which is `unshare --pid --fork`. None: it has ended, or has not begun."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except FileNotFoundError:
        return None
    return int(children[0]) if children else None


def end_namespace(process: subprocess.Popen) -> None:
    """Ends `unshare --pid --fork` and all that run in its namespace. They are gone when this returns, whatever session they are in:
    `unshare` ends when its child has ended, which as the namespace's first process ends last."""
    first = None if process.returncode is not None else first_of_namespace(process)
    if first is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(first, signal.SIGKILL)
    end(process)


def run_in_namespace(argv, *, timeout: float) -> None:
    """Runs a command to its end, or `timeout`, with the processes of its own that it may leave: none of them lives on."""
    with tempfile.TemporaryFile() as output:
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *map(str, argv)]
        process = subprocess.Popen(prefix() + words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = f"not done after {timeout} s"
        finally:
            end_namespace(process)
        output.seek(0)
        if status:
            said = output.read().decode(errors="replace")
            why = status if isinstance(status, str) else f"exit status {status}"
            raise CommandFailed(f"{' '.join(words[6:])}: {why}\n{said}")


def turn_signals_into_interrupts() -> None:
    """SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that every `finally` and `with` gets its turn.

    Ctrl-C itself is set too: a shell starts background jobs with it ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def tail(path: Path, lines: int = 40) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = Path(path).read_text(errors="replace").replace("\r", "")
    except FileNotFoundError:
        return f"({path}: no such log)"
    return "\n".join(text.splitlines()[-lines:])


def last_line(path: Path) -> str:
    """The last line of a log that is being written."""
    with open(path, "rb") as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - 500))
        lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
