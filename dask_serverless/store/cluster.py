"""A link to a cluster: each command goes to the node that owns its key's hash slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError

from dask_serverless.errors import StoreUnreachable
from dask_serverless.store.address import Address
from dask_serverless.store.hash_slots import Node, command_hash_slot, gathered, owners, spread
from dask_serverless.store.link import Link
from dask_serverless.store.patience import Patience
from dask_serverless.store.replies import code
from dask_serverless.store.resp import Command

#: One node gets little patience: what it no longer serves, another does after the failover.
NODE_PATIENCE_SECONDS = 1.0


class ClusterLink(Link):
    """Held connections to the nodes of one cluster, for the one thread that uses them.

    A batch for one node is one round trip. Else its last command waits until all others have
    succeeded, and is not sent if one failed: blobs are stored before the call that announces them.
    """

    cluster = True

    def __init__(self, address: Address, patience_seconds: float | None = None) -> None:
        super().__init__(address, patience_seconds)
        self._seed = (address.host, address.port)
        self._links: dict[Node, Link] = {}
        self._owners: list[Node | None] = []

    @property
    def bytes_sent(self) -> int:
        return sum(link.bytes_sent for link in self._links.values())

    @property
    def bytes_received(self) -> int:
        return sum(link.bytes_received for link in self._links.values())

    def _disconnect(self) -> None:
        for link in self._links.values():
            link.close()

    def _send_posted(self, command: Command) -> None:
        self._link(self._node(command))._begin([command])

    def _posted_reply(self, command: Command) -> Any:
        return self._answers(self._node(command), [command], 0.0)[0]

    def _deliver(self, commands: Sequence[Command], wait_seconds: float) -> list[Any]:
        pieces = [spread(command) for command in commands]
        flat = [command for piece in pieces for command in piece]
        try:
            replies = iter(self._in_order(flat, wait_seconds))
        except BaseException:
            self._disconnect()  # answers may be under way that nobody will read
            raise
        return [
            gathered(command, [next(replies) for _ in piece])
            for command, piece in zip(commands, pieces, strict=True)
        ]

    def _in_order(self, commands: list[Command], wait_seconds: float) -> list[Any]:
        """All commands but the last together, then the last; at once where one node has all."""
        if len({self._node(command) for command in commands}) == 1:
            return self._redirected(commands, wait_seconds)
        replies = self._redirected(commands[:-1], wait_seconds)
        errors = [reply for reply in replies if isinstance(reply, ReplyError)]
        last = errors[:1] or self._redirected(commands[-1:], wait_seconds)
        return replies + last

    def _redirected(self, commands: list[Command], wait_seconds: float) -> list[Any]:
        """The replies of the nodes that really own the slots, which move and fail over."""
        replies = self._scattered(commands, wait_seconds)
        patience = Patience(self.patience_seconds)
        while astray := [i for i, reply in enumerate(replies) if _is_astray(reply)]:
            if not patience.pause():
                break
            self._owners = []  # learn them anew
            for i in astray:
                replies[i] = self._followed(commands[i], replies[i], wait_seconds)
        for reply in replies:
            if isinstance(reply, StoreUnreachable):
                raise reply
        return replies

    def _followed(self, command: Command, reply: Exception, wait_seconds: float) -> Any:
        """The reply from where the first one points: `MOVED 3999 127.0.0.1:6381`."""
        if isinstance(reply, StoreUnreachable):
            return self._scattered([command], wait_seconds)[0]
        kind, _slot, place = str(reply).split(" ")
        host, _, port = place.rpartition(":")
        # A slot on its way elsewhere: the new owner takes only commands that say so.
        asking: list[Command] = [("ASKING",)] if kind == "ASK" else []
        node = (host or self.address.host, int(port))
        return self._answers(node, [*asking, command], wait_seconds)[-1]

    def _scattered(self, commands: list[Command], wait_seconds: float) -> list[Any]:
        """Each command to the owner of its slot, all nodes at work at the same time."""
        groups: dict[Node, list[int]] = {}
        for position, command in enumerate(commands):
            groups.setdefault(self._node(command), []).append(position)
        for node, positions in groups.items():
            self._link(node)._begin([commands[i] for i in positions])
        replies: list[Any] = [None] * len(commands)
        for node, positions in groups.items():
            answers = self._answers(node, [commands[i] for i in positions], wait_seconds)
            for position, answer in zip(positions, answers, strict=True):
                replies[position] = answer
        return replies

    def _answers(self, node: Node, commands: list[Command], wait_seconds: float) -> list[Any]:
        """One node's replies, or the same error for each of them where it does not answer."""
        try:
            return self._link(node)._deliver(commands, wait_seconds)
        except StoreUnreachable as error:
            return [error] * len(commands)

    def _link(self, node: Node) -> Link:
        if node not in self._links:
            patience_seconds = min(NODE_PATIENCE_SECONDS, self.patience_seconds)
            self._links[node] = Link(self.address.node(*node), patience_seconds)
        return self._links[node]

    def _node(self, command: Command) -> Node:
        slot = command_hash_slot(command)
        if slot is None:
            return self._seed
        self._owners = self._owners or self._learn_owners()
        return self._owners[slot] or self._seed

    def _learn_owners(self) -> list[Node | None]:
        """Ask the node that the URL names, or whichever other one answers."""
        failure: StoreUnreachable | None = None
        for node in [self._seed, *self._links]:
            (answer,) = self._answers(node, [("CLUSTER", "SLOTS")], 0.0)
            if isinstance(answer, list):
                return owners(answer, node[0])
            failure = failure or StoreUnreachable(self.address.shown, str(answer))
        assert failure is not None
        raise failure


def _is_astray(reply: Any) -> bool:
    if isinstance(reply, ReplyError):
        return code(reply) in ("MOVED", "ASK")
    return isinstance(reply, StoreUnreachable)
