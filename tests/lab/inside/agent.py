# SPDX-License-Identifier: Apache-2.0
"""Process 1 of a guest: runs commands for the host, over a virtio-serial port.

One JSON object a line. From the host:
    {"start": ID, "argv": [...], "env": {...}, "cwd": PATH, "input": TEXT}
    {"signal": NUMBER, "id": ID}            to the command and all it started
    {"ping": ID}
To the host:
    {"hello": UPTIME}
    {"id": ID, "pid": N}
    {"id": ID, "out": TEXT} and {"id": ID, "err": TEXT}, as it comes
    {"id": ID, "rc": N}                     as a shell counts: 128 + signal
    {"pong": ID}

A command is over when its process is; what it left in the background may keep the pipes open, and what that prints is
read and dropped. Bytes that are not UTF-8 travel as lone surrogates.
"""

import json
import os
import selectors
import signal
import subprocess
import time

NAME = "causeway.agent"
BLOCK = 1 << 16


class Job:
    def __init__(self, key, process):
        self.key = key
        self.process = process
        self.pipes = {pipe.fileno(): (name, pipe) for name, pipe in (("out", process.stdout), ("err", process.stderr))}


class Agent:
    def __init__(self):
        self.port = os.open(port_path(), os.O_RDWR)
        self.jobs = {}          # by process id
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.port, selectors.EVENT_READ, None)
        self.partial = b""
        self.watch_children()

    def watch_children(self):
        """A child's end arrives as a byte in a pipe, so one `select` sees everything."""
        reading, writing = os.pipe()
        for end in (reading, writing):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self.ended = reading
        self.selector.register(reading, selectors.EVENT_READ, None)

    def serve(self):
        self.send(hello=uptime())
        while True:
            for key, _ in self.selector.select():
                if key.fd == self.port:
                    self.read_port()
                elif key.fd == self.ended:
                    os.read(self.ended, BLOCK)
                else:
                    self.forward(key.data, key.fd)
            self.reap()

    def send(self, **message):
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(self.port, line):]

    def read_port(self):
        block = os.read(self.port, BLOCK)
        if not block:               # the host has let go of its end; another may take it
            self.partial = b""
            time.sleep(0.1)
            return
        *lines, self.partial = (self.partial + block).split(b"\n")
        for line in lines:
            self.obey(json.loads(line))

    def obey(self, message):
        if "start" in message:
            self.start(message)
        elif "signal" in message:
            for job in self.jobs.values():
                if job.key == message["id"]:
                    os.killpg(job.process.pid, message["signal"])
        elif "ping" in message:
            self.send(pong=message["ping"])

    def start(self, message):
        key = message["start"]
        try:
            with in_memory(message.get("input", "")) as text:
                process = subprocess.Popen(
                    message["argv"], cwd=message.get("cwd", "/root"), env={**os.environ, **message.get("env", {})},
                    stdin=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        except OSError as refused:
            self.send(id=key, err=f"{refused}\n")
            self.send(id=key, rc=127)
            return
        job = Job(key, process)
        self.jobs[process.pid] = job
        for pipe in job.pipes:
            os.set_blocking(pipe, False)
            self.selector.register(pipe, selectors.EVENT_READ, job)
        self.send(id=key, pid=process.pid)

    def forward(self, job, pipe):
        """One block of output to the host; false when there is none now."""
        try:
            block = os.read(pipe, BLOCK)
        except BlockingIOError:
            return False
        if not block:
            self.selector.unregister(pipe)
            job.pipes.pop(pipe)[1].close()
            return False
        if job.process.returncode is None:
            stream, _ = job.pipes[pipe]
            self.send(id=job.key, **{stream: block.decode(errors="surrogateescape")})
        return True

    def reap(self):
        """Collects every child that ended, orphans included: that is process 1's duty."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if job := self.jobs.pop(pid, None):
                for pipe in list(job.pipes):
                    while self.forward(job, pipe):
                        pass
                code = os.waitstatus_to_exitcode(status)
                job.process.returncode = code if code >= 0 else 128 - code
                self.send(id=job.key, rc=job.process.returncode)


def in_memory(text):
    """A file to read `text` from, that no folder knows."""
    memory = os.fdopen(os.memfd_create("input"), "wb+")
    memory.write(text.encode(errors="surrogateescape"))
    memory.seek(0)
    return memory


def uptime():
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])


def port_path():
    ports = "/sys/class/virtio-ports"
    for port in os.listdir(ports):
        with open(f"{ports}/{port}/name") as file:
            if file.read().strip() == NAME:
                return f"/dev/{port}"
    raise SystemExit(f"no virtio-serial port is called {NAME}")


Agent().serve()
