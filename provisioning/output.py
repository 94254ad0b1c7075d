"""A server's stdout and stderr. They rather lose a line of the log than let an answer wait.

The program that reads them may have ended or stopped reading, or the disk behind them may be
full. A plain stream would then raise, or wait for ever, in the middle of a request.
"""

import os
import select
import sys
import threading
from typing import TextIO, cast


class LossyStream:
    """A text stream that writes at once what fits, drops the rest, and never raises."""

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._stream = stream
        self._turn = threading.Lock()
        self._is_cut = False
        self.encoding = stream.encoding
        self.errors = stream.errors

    def write(self, text: str) -> int:
        data = text.encode(self.encoding, "backslashreplace")
        with self._turn:
            if self._is_cut:  # the last write stopped within a line
                data = b"\n" + data
            self._is_cut = not self._write_all(data)
        return len(text)

    def _write_all(self, data: bytes) -> bool:
        """Write all of the data; False if some was lost.

        It goes in pieces of PIPE_BUF bytes, as a pipe that is ready takes so many without waiting.
        """
        try:
            descriptor = self._stream.fileno()
            for begin in range(0, len(data), select.PIPE_BUF):
                piece = data[begin : begin + select.PIPE_BUF]
                _, ready, _ = select.select([], [descriptor], [], 0)
                if not ready or os.write(descriptor, piece) < len(piece):
                    return False
        except (OSError, ValueError):
            return False
        return True

    def flush(self) -> None:
        """Nothing to do, since nothing is buffered."""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def lose_rather_than_wait() -> None:
    """Make this process's stdout and stderr lossy, and those of processes that it forks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115, PTH123 - for good
        if not isinstance(stream, LossyStream):
            setattr(sys, name, cast(TextIO, LossyStream(stream)))
