"""A process that counts in a store: `python counting.py PATH NAME THREADS TIMES`.

Every thread adds one to the common number and puts a record under it, TIMES times, and prints the
number when it has been acknowledged. With `fork` as NAME the work is done by three forked children,
which are made while other threads of the parent are in the midst of a transaction.
"""

import os
import sys
import threading
import time

from provisioning.store import DurableStorage, Form, Store, Table

FORM = Form((Table("numbers"), Table("copies")))


def count(store: Store, name: str, times: int) -> None:
    for _ in range(times):
        with store.transaction() as transaction:
            number = (transaction.get("numbers", "last") or {"n": 0})["n"] + 1
            for table in ("numbers", "copies"):
                transaction.put(table, "last", {"n": number})
                transaction.put(table, str(number), {"by": name})
        print(number, flush=True)


def count_in_threads(store: Store, name: str, threads: int, times: int) -> None:
    workers = [threading.Thread(target=count, args=(store, name, times)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def count_in_children(store: Store, threads: int, times: int) -> None:
    inside = threading.Event()

    def dawdle() -> None:
        with store.transaction() as transaction:
            transaction.put("numbers", "dawdler", {})
            inside.set()
            time.sleep(0.2)

    dawdler = threading.Thread(target=dawdle)
    dawdler.start()
    inside.wait()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            try:
                count_in_threads(store, "child", threads, times)
            finally:
                sys.stdout.flush()
                os._exit(0)
        children.append(child)
    dawdler.join()
    count_in_threads(store, "parent", threads, times)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    opened = Store(DurableStorage(sys.argv[1], patience=60), FORM)
    if sys.argv[2] == "fork":
        count_in_children(opened, int(sys.argv[3]), int(sys.argv[4]))
    else:
        count_in_threads(opened, sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
