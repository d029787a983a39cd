"""The exception for everything that a user can correct, and the exit statuses of the shell command."""

from __future__ import annotations

EXIT_STATUS = {
    "bug": 1,
    "bad-request": 2,
    "bad-input": 2,
    "out-of-memory": 3,
    "cancelled": 4,
    "missing": 5,
}
"""Error code -> exit status of the shell command."""


class FAError(Exception):
    """What is wrong, why, and what the user can do, in one line.

    Parameters
    ----------
    code
        One of :data:`EXIT_STATUS`: ``bad-request``, ``bad-input``, ``out-of-memory``,
        ``cancelled``, ``missing`` or ``bug``.
    what
        What is wrong, without a full stop.
    why
        The cause, as far as it is known.
    fix
        What the user can do, without a full stop.

    Raises
    ------
    ValueError
        For an unknown code.

    Examples
    --------
    >>> error = FAError("bad-input", "The volume is empty", "every number in it is 0", "Choose another volume")
    >>> print(error)
    The volume is empty: every number in it is 0. Choose another volume
    >>> error.code, error.exit_status
    ('bad-input', 2)
    """

    def __init__(self, code: str, what: str, why: str = "", fix: str = "") -> None:
        if code not in EXIT_STATUS:
            raise ValueError(f"unknown error code {code!r}")
        self.code, self.what, self.why, self.fix = code, what, why, fix
        super().__init__(what, why, fix)

    @property
    def exit_status(self) -> int:
        """Exit status of a shell command that ends with this error."""
        return EXIT_STATUS[self.code]

    def __str__(self) -> str:
        line = self.what
        if self.why:
            line += f": {self.why}"
        if self.fix:
            line += f". {self.fix}"
        return " ".join(line.split())

    def as_dict(self) -> dict[str, str]:
        """The four fields as the worker sends them."""
        return {"code": self.code, "what": self.what, "why": self.why, "fix": self.fix}
