"""The errors of a store. Their texts can be shown to clients: no paths, no stored values."""

from typing import Self


class StoreUnavailable(Exception):
    """The store can't be read or written at the moment; the API answers 503.

    Unless `unknown_fate`, nothing was changed, and it is safe to try again later.
    """

    is_retryable = False
    """Whether another change came between, so that a repetition of it all may succeed."""
    unknown_fate = False
    """Whether the change may have been made in spite of the error."""

    @property
    def public(self) -> str:
        """The text for callers who may not learn anything about the records."""
        return str(self)

    def again(self) -> Self:
        """An equal error: one exception object must not be raised by several threads."""
        error = type(self).__new__(type(self), *self.args)
        error.__dict__.update(self.__dict__)
        return error


class StoreBusy(StoreUnavailable):
    """Somebody else holds the lock, and has held it for longer than one waits."""


class Collision(StoreUnavailable):
    """Another change came between. Nothing was changed, and a repetition may well succeed."""

    is_retryable = True


class UnknownFate(StoreUnavailable):
    """Nobody knows whether the change was made: the client has to look."""

    unknown_fate = True


class StoreDamaged(StoreUnavailable):
    """The data can't be understood. It is left as it is, for a person to repair.

    `place` says where the damage is: `line` and `column`, or `table`, `record` and `member`, as
    far as these are known.
    """

    def __init__(self, problem: str, **place: str | int) -> None:
        where = ", ".join(f"{name} {value}" for name, value in place.items())
        super().__init__(f"The data is damaged{f' ({where})' if where else ''}: {problem}")
        self.problem = problem
        self.place = place

    @property
    def public(self) -> str:
        return (
            "The data is damaged, and stays as it is until a person mends it. The server's log and "
            "'provisioning check' name the place."
        )


class OtherForm(StoreUnavailable):
    """The data has another form than this version of the server reads and writes."""

    def __init__(self, found: int, own: int) -> None:
        text = (
            f"A newer version of the server has brought it to form {found}; this one reads form "
            f"{own}. Start the newer one, or restore the backup that its upgrade has made."
            if found > own
            else f"It has form {found}, as an older version leaves it. Restart this server, which "
            f"brings it to form {own}."
        )
        super().__init__(f"The data is of another version. {text}")
        self.found, self.own = found, own


class TooManyToSort(Exception):
    """An order was asked for that no index has, of more records than are sorted for an answer."""


class TooManyRecords(Exception):
    """The store has too many records for a view in memory, which `freeze` would make."""
