"""Lines from bytes that arrive in pieces of any size."""

from __future__ import annotations

MAX_LINE_BYTES = 16 * 2**20


class LineBuffer:
    """Splits a stream of bytes at its line feeds.

    Parameters
    ----------
    longest
        Bytes after which a line is cut, so that a faulty process cannot fill the memory.
    """

    def __init__(self, longest: int = MAX_LINE_BYTES) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._longest = longest

    def feed(self, data: bytes) -> list[str]:
        """The lines that *data* completes, decoded, without line ends; bytes that are no UTF-8 become U+FFFD."""
        self._rest += data
        lines = []
        begin = 0
        while (end := self._rest.find(b"\n", max(begin, self._searched))) >= 0:
            lines.append(_text(self._rest[begin:end]))
            begin = end + 1
        del self._rest[:begin]
        if len(self._rest) > self._longest:
            lines += self.flush()
        self._searched = len(self._rest)
        return lines

    def flush(self) -> list[str]:
        """What is left without a line end, as one line; nothing when nothing is left."""
        lines = [_text(self._rest)] if self._rest else []
        self._rest.clear()
        self._searched = 0
        return lines


def _text(line: bytes | bytearray) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
