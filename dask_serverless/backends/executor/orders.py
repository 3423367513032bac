"""What all containers of a pool are told at once: one thread of their process listens for them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from dask_serverless.backends.executor.pool import Order, Pool
from dask_serverless.backends.executor.ticket import Ticket
from dask_serverless.errors import StoreError
from dask_serverless.store.connect import open_link


class Obedient(Protocol):
    """A container, as far as orders concern it."""

    def stop(self, run: str) -> None:
        """Leave this run, or "" for any, if that is what it works on."""

    def make_way(self, run: str) -> None:
        """Leave any other run, after the bundle under way."""


class Orders:
    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.containers: list[Obedient] = []
        threading.Thread(target=self.listen, name="dask-serverless-orders", daemon=True).start()

    def listen(self) -> None:
        """As long as there are containers."""
        with open_link(self.ticket.store) as link:
            pool = Pool(link, self.ticket.pool)
            last = ""
            while _wanted(self):
                try:
                    last, orders = pool.orders(last, self.ticket.pulse_seconds)
                except StoreError:  # containers meet it, too
                    time.sleep(self.ticket.pulse_seconds)
                else:
                    for order in orders:
                        self.pass_on(order)

    def pass_on(self, order: Order) -> None:
        for container in list(self.containers):
            if order.what == "stop":
                container.stop(order.run)
            else:
                container.make_way(order.run)


@contextmanager
def heeding(ticket: Ticket, container: Obedient) -> Iterator[None]:
    with _lock:
        orders = _orders.get(ticket.pool) or Orders(ticket)
        _orders[ticket.pool] = orders
        orders.containers.append(container)
    try:
        yield
    finally:
        with _lock:
            orders.containers.remove(container)


def _wanted(orders: Orders) -> bool:
    """Whether anybody is there to be told; else the next container begins with another thread."""
    with _lock:
        if not orders.containers and _orders.get(orders.ticket.pool) is orders:
            del _orders[orders.ticket.pool]
        return bool(orders.containers)


_lock = threading.Lock()
_orders: dict[str, Orders] = {}


def _forget_after_fork() -> None:
    """The threads are the parent's."""
    global _lock
    _lock = threading.Lock()
    _orders.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
