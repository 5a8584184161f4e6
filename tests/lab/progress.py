# SPDX-License-Identifier: Apache-2.0
"""Progress of a long-running command: a moving line on a terminal, plain lines elsewhere."""

import contextlib
import sys
import threading
import time

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SIGN_OF_LIFE = 30
"""Off a terminal, a step that takes longer says so this often (seconds)."""


class Progress:
    """`with progress.step("building"):` prints how each step ended and how long it took."""

    def __init__(self, stream=sys.stdout):
        self._stream = stream
        self._live = stream.isatty()
        self._lock = threading.Lock()
        self.detail = ""
        """The current activity of the step, for the moving line."""

    def say(self, text: str = "") -> None:
        with self._lock:
            self._clear()
            print(text, file=self._stream, flush=True)

    @contextlib.contextmanager
    def step(self, title: str):
        """The block's own `Step`: set `note` for what stands behind the title at the end, `failed` if it went wrong."""
        step = Step(title)
        self.detail = ""
        done = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(step, done), daemon=True)
        ticker.start()
        try:
            yield step
        except BaseException:
            step.failed = True
            raise
        finally:
            done.set()
            ticker.join()
            self.say(str(step))

    def _tick(self, step: "Step", done: threading.Event) -> None:
        frame = 0
        while not done.wait(0.1 if self._live else SIGN_OF_LIFE):
            if not self._live:
                self.say(f"     {step.title}: {step.seconds():.0f} s  {self.detail}".rstrip())
                continue
            frame += 1
            with self._lock:
                self._clear()
                line = f" {FRAMES[frame % len(FRAMES)]}   {step.title}  {step.seconds():.0f} s  {self.detail}"
                print(line[:100], end="", file=self._stream, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=self._stream)


class Step:
    def __init__(self, title: str):
        self.title = title
        self.note = ""
        self.failed = False
        self._started = time.monotonic()

    def __str__(self) -> str:
        note = f": {self.note}" if self.note else ""
        return f"{'FAIL' if self.failed else ' ok '} {self.title}{note}  ({self.seconds():.1f} s)"

    def seconds(self) -> float:
        return time.monotonic() - self._started
