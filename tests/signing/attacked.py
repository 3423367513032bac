"""A run over a real store that others write to: real client side, real shell, and time in between."""

from __future__ import annotations

import os
import pickle
from collections import deque
from functools import partial

import numpy as np
from in_process import Unkept, fail

from dask_serverless.blobs.frames import join
from dask_serverless.blobs.storage import Storage
from dask_serverless.coordination.base import OVER, Submission
from dask_serverless.signing.secret import Secret
from dask_serverless.store.connect import open_link
from dask_serverless.translation.encode import encode_run
from dask_serverless.translation.translate import translate
from dask_serverless.worker.access import Access
from dask_serverless.worker.connections import StoreConnections
from dask_serverless.worker.failure import unpack_failure
from dask_serverless.worker.header import Header
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.means import Means
from dask_serverless.worker.shell import Shell
from planners.plans.bundles import bundles_of
from planners.plans.plan import FLEXIBLE, Plan

SECRET = Secret("known to the client and its containers")


class Canary:
    """Whoever unpickles it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)

    @property
    def pickled(self):
        return pickle.dumps(self, protocol=5)

    @property
    def inline(self):
        return b"i" + b"".join(join(self.pickled, []))

    @property
    def fired(self):
        return os.path.exists(self.path)


class Attacked:
    """One run, a bundle for each task, in this process."""

    def __init__(
        self, link, url, graph, keys,
        *, run="run", inline_bytes=16 << 10, secret=SECRET, blobs=None, compression=None,
    ):  # fmt: skip
        self.link, self.run = link, run
        self.access = Access(secret)
        self.translation = translate(graph, keys)
        self.invitation = Invitation(run, "epoch", url)
        self.storage = Storage(blobs, inline_bytes=inline_bytes, compression=compression)
        self.client = self.access.coordination(link, run, "epoch")
        self.blobs = self.access.blobs(link, run, "epoch", self.storage)
        tasks = self.translation.dag.tasks
        plan = Plan("each", np.arange(tasks), np.full(tasks, FLEXIBLE), np.zeros(tasks, int))
        self.bundles = bundles_of(self.translation.dag, plan)
        self.submit(encode_run(self.translation, plan, self.bundles, self.blobs, run))

    def submit(self, encoded):
        header = Header(functions=encoded.functions, storage=self.storage, lease_seconds=600.0)
        submission = Submission(
            epoch="epoch", bundles=len(encoded.specs), containers=1, lease_ms=600_000, attempts=3,
            live_seconds=600, header=header.pack(), specs=encoded.specs, blobs=encoded.blobs,
            ready=encoded.ready,
        )  # fmt: skip
        self.client.submit(submission, encoded.commands)

    def key(self, name):
        return f"ds:{{{self.run}}}:{name}"

    def call(self, *command):
        return self.link.call(command)[0]

    def task(self, label):
        return self.translation.dag.labels.index(label)

    def work(self):
        """One container comes, and leaves."""
        connections = StoreConnections(open_link, self.access)
        invited = deque([self.invitation])
        shell = Shell(Means("container", connections, invited.append, fail, Unkept()))
        try:
            while invited:
                shell.work(invited.popleft())
        finally:
            connections.close()

    def result(self, label):
        """As the client gets it: the value, or what the run failed with."""
        condition = self.client.sweep((), 60)
        assert condition.status == OVER, "it was given up, or goes on for ever"
        if condition.why == "failed":
            raise unpack_failure(condition.error, self.translation.dag, self.bundles.tasks_of)
        task = self.task(label)
        story = self.client.story([task])
        return self.blobs.get([story.outputs[0]])[0]


def flipped(data, position):
    """The same with one bit changed."""
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


strikes = []  # what somebody does to the store while a task runs


def strike(*values):
    while strikes:
        strikes.pop()()
    return values[0]


def later(function, *arguments):
    strikes.append(partial(function, *arguments))
