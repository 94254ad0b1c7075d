"""The same elsewhere (section 9): what a server of this API that one doesn't run holds and does.

    commands.py     `provisioning pull` and `provisioning compare`
    guest.py        asks a server over HTTP as a careful guest: slowly, bounded, trusting nobody
    walking.py      reads lists page by page, whatever their server makes of pages
    pulling.py      what `pull` does with the following
    reading.py      everything of a tenant that a key may read
    seeding.py      a seed, and a catalogue, of what was read
    people.py       people anew: names, addresses, and where texts name them
    names.py        the syllables of invented names
    comparing.py    compares two servers, or one with a copy of it in memory
    routes.py       the GET routes of the API, from its declarations
    asking.py       asks both sides about every route
    alike.py        what of two answers differs
    differences.py  what a difference is
    reports.py      differences for people, for programs, and to be accepted
    errors.py       what can't be done, in words

This is an optional part: to remove it, delete this folder and its name in cli/commands.py. The HTTP
client, of the extra `remote`, is loaded when a command runs.
"""

from provisioning.remote.commands import COMMANDS

__all__ = ["COMMANDS"]
