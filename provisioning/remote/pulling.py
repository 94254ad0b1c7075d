"""What `provisioning pull` does once it knows whom to ask and where to write."""

from dataclasses import dataclass

import orjson

from provisioning.domain.catalogue import Catalogue
from provisioning.remote.guest import Guest
from provisioning.remote.people import InventedPeople, RealPeople
from provisioning.remote.reading import Holding, Reader
from provisioning.remote.seeding import Made, Seeder, catalogue_of, profiles_of
from provisioning.seed import catalogue_of as parsed_catalogue
from provisioning.seed import load_catalogue
from provisioning.store import Record


@dataclass(frozen=True)
class Pulled:
    """A tenant of another server as a seed. `catalogue` is None unless it was asked for."""

    holding: Holding
    made: Made
    catalogue: Catalogue
    offered: Record | None
    told: list[str]
    left_out: list[Record]
    """Records that were read, and are neither in the seed nor in the catalogue."""


def pull(guest: Guest, salt: str | None, with_catalogue: bool, is_lenient: bool = False) -> Pulled:
    """Read the tenant and make a seed of it, and a catalogue; without a salt, of real people."""
    reader = Reader(guest, is_lenient)
    holding = reader.read()
    people = RealPeople() if salt is None else InventedPeople(salt, profiles_of(holding))
    catalogue, offered = load_catalogue(), None
    if with_catalogue:
        offer = reader.offer(holding)
        holding.told = list(dict.fromkeys(reader.told))
        offered = catalogue_of(offer, people)
        catalogue = parsed_catalogue(offered.lists)
    made = Seeder(holding, people, catalogue).make()
    if offered is None:
        return Pulled(holding, made, catalogue, None, made.told, made.left_out)
    made.dropped |= offered.dropped
    told, left_out = made.told + offered.told, made.left_out + offered.left_out
    return Pulled(holding, made, catalogue, offered.lists, told, left_out)


def as_file(content: Record) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
