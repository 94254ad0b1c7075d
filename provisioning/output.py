"""stdout and stderr of a server: a line of a log may be lost, an answer never waits for it.

Whoever reads them may have gone, may have stopped reading, or the disk that they lead to may be
full. A plain stream then raises, or waits for ever, in the middle of a request.
"""

import os
import select
import sys
import threading
from typing import TextIO, cast


class LossyStream:
    """Writes at once what there is room for, drops the rest, and never raises."""

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
            if self._is_cut:  # what was lost ended within a line
                data = b"\n" + data
            self._is_cut = not self._took(data)
        return len(text)

    def _took(self, data: bytes) -> bool:
        """Whether nothing was lost. A pipe that is ready takes PIPE_BUF bytes without waiting."""
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
        """Nothing waits here."""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def lose_rather_than_wait() -> None:
    """From here on whatever this process and its children write is lost where there's no room."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115, PTH123 - for good
        if not isinstance(stream, LossyStream):
            setattr(sys, name, cast(TextIO, LossyStream(stream)))
