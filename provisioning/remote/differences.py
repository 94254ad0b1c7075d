"""What a difference between two servers is."""

from dataclasses import dataclass

Name = tuple[str, str | None, str]
"""By what a difference is known: route, member, kind."""


@dataclass(frozen=True)
class Difference:
    """One difference of two servers, however often it was met. `member` is null for the whole."""

    route: str
    member: str | None
    kind: str
    count: int
    example: str

    @property
    def name(self) -> Name:
        return self.route, self.member, self.kind
