"""The caller's records, for views that read them or change them."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from provisioning.domain.bounds import require_room
from provisioning.domain.errors import Unauthorized
from provisioning.domain.records import Records
from provisioning.domain.tables import USERS
from provisioning.store import Lookup, RecordId
from provisioning.web import audit, audit_log
from provisioning.web.audit import Author
from provisioning.web.caller import admit, caller_of
from provisioning.web.context import current


def reading() -> Records:
    """The caller's records on the request's view, for reading. `changing` ends this view."""
    request = current()
    return Records(request.view, caller_of(request), request.now, request.parts.catalogue)


@contextmanager
def place() -> Iterator[None]:
    """A place of the caller's tenant among those that change the store or hash a password.

    It ends the request's view, as `changing` does, so that whoever waits keeps nothing busy.
    """
    request = current()
    tenant = caller_of(request).tenant
    request.end_reading()
    with request.parts.places.of(tenant):
        yield


@contextmanager
def changing(only: RecordId | None = None, also: Collection[str] = ()) -> Iterator[Records]:
    """The caller's records in a transaction, which commits unless the block raises an error.

    The caller is admitted again inside the transaction, since what was allowed when the request
    came may be so no more. The clock is read there, too: that is the instant of the change. Use
    nothing from here on that `reading` returned before. `only` is that of `Store.transaction`;
    `also` are other tenants whose records will change.
    """
    request = current()
    caller, view, parts = caller_of(request), request.view, request.parts
    tenant = caller.tenant
    if caller.user is not None:
        view.expect([Lookup(USERS, [caller.user])])  # whom the audit names
    with place(), parts.store.transaction(tenant, only, view, also) as transaction:
        now = parts.clock.now(transaction.time())
        caller = admit(request, transaction, lambda: now)
        if caller.tenant != tenant:
            raise Unauthorized("This API key has just become another tenant's. Ask again.")
        yield Records(transaction, caller, now, parts.catalogue)
        require_room(transaction, tenant, parts.settings.tenant_bytes)
        author = Author(request.via, tenant, caller.user, caller.key, request.id, request.client)
        lines = audit.keep(parts, transaction, author, now)
        is_changed, began = transaction.changed, time.perf_counter()
    audit_log.note(lines)
    if parts.metrics is not None and is_changed:
        parts.metrics.note_commit(time.perf_counter() - began)
