"""What a container knows of a run: it comes back, and need not fetch functions again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from dask_serverless.blobs.ahead import ahead
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.metered import metered
from dask_serverless.blobs.parted import Parted, PartedStorage
from dask_serverless.blobs.storage import Storage
from dask_serverless.blobs.streamed import streamed
from dask_serverless.coordination.base import Coordination
from dask_serverless.errors import StoreError
from dask_serverless.worker.early import Sent
from dask_serverless.worker.execute import prepared
from dask_serverless.worker.header import Header
from dask_serverless.worker.measure import Meter
from dask_serverless.worker.names import function_name
from dask_serverless.worker.preloading import Preloading, Side
from dask_serverless.worker.rhythm import Rhythm
from dask_serverless.worker.streaming import Streaming
from dask_serverless.worker.table import Functions, unpickle_table
from dask_serverless.worker.voice import UNHEARD, Unheard, Voice
from dask_serverless.worker.witness import UNSEEN, Unseen, Witness

TELLING_BYTES = 256 << 10  # less takes no longer than the call itself


@dataclass(frozen=True)
class Settled:
    """What a container has of a run once it has run a bundle of it."""

    header: Header
    blobs: Blobs
    functions: Functions

    def name_of(self, function: int) -> str:
        return function_name(self.functions[function]) if function >= 0 else ""


@dataclass
class KnownRun:
    """Known better from step to step: at first by name, with the first claim by its header."""

    coordination: Coordination
    new_voice: Callable[[], Voice | Unheard] = Unheard
    meter: Meter = field(default_factory=Meter)
    told_calls: int = 0  # to the store, already reported
    header: Header | None = None
    settled: Settled | None = None
    preloading: Preloading | None = None
    parted: Blobs | None = None  # where outputs go in parts, and come from
    streaming: Streaming | None = None
    witness: Witness | Unseen = UNSEEN
    voice: Voice | Unheard = UNHEARD
    seconds_per_byte: float = 1e-9  # to store; as it was the last time, once that is known

    def introduced(self, header: bytes) -> None:
        if header and self.header is None:
            self.header = Header.unpack(header)
            if self.header.rhythm is not None:
                self.witness = Witness(Rhythm(*self.header.rhythm), self.show)
            if self.header.listens:
                self.voice = self.new_voice()

    def show(self, batch: bytes) -> None:
        """To whoever watches; that it cannot be stored is no reason to stop."""
        with suppress(StoreError):
            self.coordination.show(batch)

    def settle(self, open_blobs: Callable[[Storage], Blobs]) -> Settled:
        """What is needed once, before the first bundle."""
        header = self.header
        if self.settled is None:
            assert header is not None, "the first claim's answer brings it"
            header.check_versions()
            header.enter()
            blobs = open_blobs(header.storage)
            if header.measure:
                blobs = metered(blobs, self.meter.transfer)
            table = unpickle_table(blobs.get([header.functions])[0])
            self.meter.expect(header.kinds)
            self.settled = Settled(header, blobs, [prepared(function) for function in table])
        return self.settled

    def preload(self, tasks: Sequence[int], open_side: Callable[[], Side]) -> None:
        """Fetch outputs as they come, while the bundle under way still runs."""
        assert self.settled is not None, "a bundle is under way"
        if self.preloading is None:
            self.preloading = Preloading(open_side)
            blobs = ahead(self.settled.blobs, self.preloading.shelf)
            self.settled = replace(self.settled, blobs=blobs)
        self.preloading.ask(tasks)

    def in_parts(self, open_blobs: Callable[[Storage], Blobs]) -> Blobs:
        """The blobs, where large ones are stored in parts."""
        if self.parted is None:
            assert self.header is not None, "a bundle is under way"
            self.parted = open_blobs(PartedStorage.of(self.header.storage))
        return self.parted

    def stream(self, tasks: Sequence[int], place: Parted, open_side: Callable[[], Side]) -> None:
        """Fetch outputs part by part while others still store them."""
        assert self.settled is not None and self.parted is not None, "a bundle is under way"
        if self.streaming is None:
            self.streaming = Streaming(self.coordination.run, place.shelf, open_side)
            blobs = streamed(self.settled.blobs, self.parted)
            self.settled = replace(self.settled, blobs=blobs)
        self.streaming.ask(tasks)

    def fetched(self, tasks: Sequence[int]) -> None:
        """The inputs of a bundle are here."""
        if self.streaming is not None:
            self.streaming.took(tasks)

    def left(self) -> None:
        """The container goes, and may be called back."""
        if self.preloading is not None:
            self.preloading.leave()
        if self.streaming is not None:
            self.streaming.leave()

    def forget(self) -> None:
        if self.preloading is not None:
            self.preloading.stop()
        if self.streaming is not None:
            self.streaming.stop()

    def saved_to_tell(self) -> float:
        """Seconds of downloads that were done ahead, since it was asked before."""
        if self.preloading is None:
            return 0.0
        shelf = self.preloading.shelf
        saved, shelf.saved_seconds = shelf.saved_seconds, 0.0
        return saved

    def streamed_to_tell(self) -> float:
        """The same of downloads that were under way while others still stored."""
        if self.streaming is None:
            return 0.0
        shelf = self.streaming.shelf
        saved, shelf.saved_seconds = shelf.saved_seconds, 0.0
        return saved

    def has_stored(self, nbytes: int, seconds: float) -> None:
        if nbytes > TELLING_BYTES:
            self.seconds_per_byte = seconds / nbytes

    def stored_early(self, sent: Sequence[Sent]) -> None:
        """Over another connection, while a bundle ran."""
        for one in sent:
            self.also_called(1)
            if self.header is not None and self.header.measure:
                self.meter.transfer("r", True, one.stored.nbytes, one.seconds)

    def also_called(self, calls: int) -> None:
        """Round trips over another connection than the run's own."""
        self.told_calls -= calls

    def calls_to_tell(self) -> int:
        """Round trips to the store since it was asked before; one that is about to go included."""
        aside = self.preloading.calls if self.preloading is not None else 0
        aside += self.streaming.calls if self.streaming is not None else 0
        before, self.told_calls = self.told_calls, self.coordination.calls + aside + 1
        return self.told_calls - before
