"""``python -I -S engine_starter.py ADDRESS MODE ARGUMENTS...``: a pretended engine, made by :mod:`.engine_copies`.

It hands its streams, folder and environment to a copy that the server at ADDRESS makes, stays until that one has ended,
and ends as it did: what Slicer's launcher is to an engine. It imports next to nothing, because every start pays for it.
"""

import _socket  # without the classes of `socket`, whose import would take most of the time
import os
import sys


def ask(address: str, arguments: list[str]) -> int:
    """Have a copy made; returns how it ended, as ``os.wait`` tells it."""
    request = "\0".join(
        [os.getcwd(), str(len(arguments)), *arguments, *(f"{name}={value}" for name, value in os.environ.items())]
    ).encode("utf-8", "surrogateescape")
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    server.connect(address)
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    server.sendmsg([len(request).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    server.sendall(request)
    return int.from_bytes(server.recv(4) or (1 << 8).to_bytes(4, "big"), "big")


if __name__ == "__main__":
    status = ask(sys.argv[1], sys.argv[2:])
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))
