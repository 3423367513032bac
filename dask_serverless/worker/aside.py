"""Aside: what a container begins for others and for later bundles, beside the one that it runs."""

from __future__ import annotations

from functools import partial

from dask_serverless.blobs.parted import PartedStorage, parted_in
from dask_serverless.worker.bundle import BundleSpec
from dask_serverless.worker.in_parts import InParts
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.known_run import KnownRun
from dask_serverless.worker.means import Means
from dask_serverless.worker.preloading import Side


class Aside:
    """During one stay."""

    def __init__(self, means: Means, invitation: Invitation, run: KnownRun) -> None:
        self.means = means
        self.invitation = invitation
        self.run = run

    def begin(self, spec: BundleSpec) -> InParts | None:
        """What a plan asks of whoever begins this bundle; how some of its outputs go out."""
        self.start_others(spec)
        if spec.ahead:
            self.run.preload(spec.ahead, self.side)
        return self.stream(spec) if spec.streamed or spec.coming or spec.early else None

    def start_others(self, spec: BundleSpec) -> None:
        """Containers that will be needed are asked for as this bundle begins."""
        for containers, seconds, memory_mb in spec.starts:
            for _ in range(containers):
                self.means.invite(self.invitation.to_be_warm(seconds, memory_mb))

    def stream(self, spec: BundleSpec) -> InParts:
        """Parts of outputs are fetched as they come; how outputs of its own go out."""
        assert self.run.settled is not None, "a bundle is under way"
        connections, run = self.means.connections, self.invitation.run
        blobs = self.run.in_parts(lambda storage: connections.blobs(self.invitation, storage))
        if (place := parted_in(blobs)) is None:  # files of this host and object stores have none
            return InParts(run, (), self.run.settled.blobs)
        if spec.coming:
            self.run.stream(spec.coming, place, partial(self.side, in_parts=True))
        return InParts(run, spec.streamed, blobs)

    def side(self, in_parts: bool = False) -> Side:
        """The run, over connections of their own."""
        assert self.run.header is not None, "a bundle has been claimed"
        connections, storage = self.means.connections.aside(), self.run.header.storage
        if in_parts:
            storage = PartedStorage.of(storage)
        return Side(
            connections.coordination(self.invitation),
            connections.blobs(self.invitation, storage),
            connections.close,
        )
