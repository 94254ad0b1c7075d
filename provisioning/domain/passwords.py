"""Hashes of passwords that are made cheaply, for servers that only tests and demos use.

A proper hash takes a quarter of a second on purpose. A test that makes a hundred users must not
wait for it, and a store that keeps people's passwords must not hold any that is easy to guess back.
So a cheap hash is marked as one, and `copy`, `export`, `import`, `restore` and the start of a real
server drop it.
"""

import hashlib
import secrets

from provisioning.domain.names import username_key
from provisioning.domain.tables import USERS
from provisioning.store import Record, Transaction, View

CHEAP = "cheap"
"""What a cheap hash begins with, and the group of the accounts that have one."""


def cheap_hash(password: str) -> str:
    salt = secrets.token_hex(8)
    return f"{CHEAP}${salt}${hashlib.sha256((salt + password).encode()).hexdigest()}"


def has_cheap_hash(account: Record) -> bool:
    return str(account.get("passwordHash")).startswith(f"{CHEAP}$")


def cheapness(account: Record) -> str | None:
    """CHEAP for an account with a cheap hash, else None: the accounts' group of that name."""
    return CHEAP if has_cheap_hash(account) else None


class Dropping:
    """Drops the cheap hashes of accounts that leave a store, and counts them."""

    def __init__(self) -> None:
        self.number = 0

    def without(self, account: Record) -> Record:
        if not has_cheap_hash(account):
            return account
        self.number += 1
        return account | {"passwordHash": None}


def has_cheap_hashes(view: View) -> bool:
    return bool(view.group(USERS, CHEAP, CHEAP))


def forget_cheap_hashes(transaction: Transaction) -> int:
    """Leave accounts that have a cheap hash without a password; returns how many there were."""
    accounts = list(transaction.group(USERS, CHEAP, CHEAP))
    for account in accounts:
        key = username_key(account["username"])
        transaction.put(USERS, key, account | {"passwordHash": None})
    return len(accounts)


def lost_passwords(number: int) -> str:
    """A sentence for whoever runs a command that has dropped so many cheap hashes, at least one."""
    accounts = "1 account has" if number == 1 else f"{number} accounts have"
    return (
        f"{accounts} no password any more: what a demo or a server in memory makes of one is too "
        "easy to guess back to be kept elsewhere."
    )
