"""What can go wrong with the store. The texts are fit to be shown: no paths, no stored values."""


class StoreUnavailable(Exception):
    """The store can't be read or written at the moment; answered as 503.

    Unless the text says otherwise nothing was changed, and trying again later is safe.
    """

    is_retryable = False
    """Whether another change came between, so that the same again, from its start, may do it."""
    unknown_fate = False
    """Whether the change may have been made all the same."""

    @property
    def public(self) -> str:
        """The text for those who may know nothing of the records."""
        return str(self)


class Collision(StoreUnavailable):
    """Another change came between: nothing was changed, and the same again may well succeed."""

    is_retryable = True


class UnknownFate(StoreUnavailable):
    """The change may have been made or not: whoever made it has to look."""

    unknown_fate = True


class StoreDamaged(StoreUnavailable):
    """The data can't be understood, and is left as it is for a person to mend.

    `place` says where: `line` and `column`, or `table`, `record` and `member`, as far as known.
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

    def again(self) -> "StoreDamaged":
        """An equal error: one exception object must not be raised by several threads."""
        return StoreDamaged(self.problem, **self.place)


class TooManyRecords(Exception):
    """There are more records than a view is frozen with, which is in memory."""
