"""What one process knows of the past: recorded without waiting, saved in the background, asked."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from secrets import randbits
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dask_serverless.callers import frames_of_libraries
from dask_serverless.errors import HistoryUnusable, ServerlessError, StoreDenied, StoreUnreachable
from dask_serverless.history.archive import Archive, MemoryArchive
from dask_serverless.history.description import Row, matching, rows_of
from dask_serverless.history.entry import Entries, merged
from dask_serverless.history.folding import fold
from dask_serverless.history.observations import Observations
from dask_serverless.history.plans_made import PlansMade
from dask_serverless.history.predicted import Predicted, predicted

if TYPE_CHECKING:
    from planners.numbers.predictions import Cores, Predictions

SAVE_SECONDS = 1.0  # from a record to the next save: what runs in a loop is saved in one go
SAVE_SHARE = 0.01  # of the time, at most, for saving while runs go on

AWAY: Any = object()  # said by a store that does not answer

WELL_KNOWN = 16  # samples of a function after which one more changes little

Answer = TypeVar("Answer")
Told = Observations | Callable[[], Observations]


class Answers(NamedTuple):
    """Predictions that were made once, what they were asked with, and when."""

    made: Predicted
    asked: tuple[Predictions | None, float, Cores]
    since: float


class History:
    """One archive's entries in memory; any thread may use it.

    Where the archive cannot be used there is one warning, and what is measured stays in memory.
    """

    def __init__(self, archive: Archive, save_seconds: float = SAVE_SECONDS) -> None:
        self.archive = archive
        self.save_seconds = save_seconds
        self.dropped = 0  # numbers that were no measurements
        self.problem: Exception | None = None  # why the archive is not used any more
        self.told = False
        self.took = 0.0  # seconds, to save it the last time
        self.ended = False  # the process is about to end, and waits for no thread of ours
        self.loaded = False
        self.saved: Entries = {}
        self.answers: Answers | None = None
        self.plans = PlansMade()
        self.begin()

    def begin(self) -> None:
        """With nothing of one's own to save; also a fork's, whose parent saves what it has."""
        self.lock = threading.RLock()  # of what is in memory; held for a moment
        self.saving = threading.RLock()  # of the archive; held while that is read and written
        self.recorded: list[Told] = []
        self.unsaved: Entries = {}
        self.news = False  # since the last answers were made
        self.saver: threading.Thread | None = None

    def record(self, observations: Told) -> None:
        """Keep what a run has taught: some microseconds, the rest goes on in the background."""
        if not observations:
            return
        with self.lock:
            self.recorded.append(observations)
            self.news = True
            if self.ended:
                self.save_quietly()
                return
            waiting, self.saver = self.saver, self.saver or self.new_saver()
        if waiting is None and self.saver is not None:
            self.start(self.saver)
        self.tell()

    def predictions(
        self,
        functions: Iterable[str] | None = None,
        fallback: Predictions | None = None,
        threads: float = 1.0,
        cores: Cores = (),
    ) -> Predicted:
        """All that is known, also from the last record; what other clients save comes later.

        Where the functions are named that it will be asked about, and all of them are well known,
        the answers may be a second old: to make them anew after each of many tiny runs takes longer
        than these do.
        """
        if not self.loaded:
            with self.saving:
                self.load()
        self.tell()
        with self.lock:
            known = self.answers
            asked = (fallback, threads, cores)
            if known is None or known.asked != asked or not self.will_do(known, functions):
                self.fold()
                self.news = False
                made = predicted(self.saved, dict(self.unsaved), *asked)
                known = self.answers = Answers(made, asked, time.monotonic())
            return known.made

    def will_do(self, known: Answers, functions: Iterable[str] | None) -> bool:
        """Whether answers given before are good enough."""
        if not self.news:
            return True
        if functions is None or time.monotonic() - known.since > self.save_seconds:
            return False
        sketches = known.made.functions
        return all(len(sketches.get(name, ())) >= WELL_KNOWN for name in functions)

    def describe(self) -> list[Row]:
        """What predictions rest on, those functions first that took longest in all."""
        self.save()
        with self.lock:
            return rows_of({**self.saved, **merged(self.saved, self.unsaved)})

    def forget(self, pattern: str | None = None) -> list[Row]:
        """Forget the functions that a pattern means, or everything; what that was."""
        with self.saving:
            rows = self.describe()
            gone = rows if pattern is None else matching(rows, pattern)
            keys = None if pattern is None else [row.key for row in gone]
            self.use(lambda: self.archive.forget(keys))
            with self.lock:
                forgotten = {row.key for row in gone}
                self.saved = {k: e for k, e in self.saved.items() if k not in forgotten}
                self.answers = None
                self.plans = PlansMade()
            self.load()
        return gone

    def close(self) -> None:
        """Save what is not saved yet, and let go of connections; it can be used again."""
        self.save()
        with self.saving:
            self.archive.close()

    def save(self) -> None:
        """Add what was recorded to the archive, and read what others have added."""
        self.save_quietly()
        self.tell()

    def save_quietly(self) -> None:
        with self.saving:
            if not self.loaded:
                self.load()
            with self.lock:
                self.fold()
                before, adding = self.saved, self.unsaved
                self.saved, self.unsaved = {**before, **merged(before, adding)}, {}
            if adding and self.use(lambda: self.archive.add(adding), away=AWAY) is AWAY:
                with self.lock:  # to be saved with what comes next
                    self.saved = before
                    self.unsaved = {**adding, **merged(adding, self.unsaved)}
                return
            self.load()

    def save_later(self) -> None:
        """A history of many megabytes takes a while to be written: then that is done more rarely."""
        time.sleep(max(self.save_seconds, self.took / SAVE_SHARE))
        with self.lock:
            self.saver = None
            if not self.recorded and not self.unsaved:  # closed meanwhile, which saved it
                return
        begun = time.monotonic()
        self.save_quietly()
        self.took = time.monotonic() - begun

    def start(self, saver: threading.Thread) -> None:
        try:
            saver.start()
        except RuntimeError:  # no threads any more: now or never
            self.saver = None
            self.save_quietly()

    def new_saver(self) -> threading.Thread:
        return threading.Thread(target=self.save_later, name="history", daemon=True)

    def load(self) -> None:
        entries = self.use(self.archive.load)
        with self.lock:
            self.loaded = self.news = True
            if entries is not None:
                self.saved = entries

    def fold(self) -> None:
        """Make entries of what was recorded; put off until here, since runs wait for ``record``."""
        recorded, self.recorded = self.recorded, []
        runs = []
        for told in recorded:
            try:
                runs.append(told() if callable(told) else told)
            except Exception:  # containers told nonsense
                self.dropped += 1
        if runs:
            entries, dropped = fold(runs, time.time(), randbits(64))
            self.dropped += dropped
            self.unsaved |= merged(self.unsaved, entries)

    def use(self, action: Callable[[], Answer], away: Answer | None = None) -> Answer | None:
        """The archive's answer, or None and from now on an archive in memory; ``away`` while its
        store does not answer: whoever computes is told of that, and it may come back.
        """
        try:
            return action()
        except StoreUnreachable:
            with suppress(Exception):
                self.archive.close()
            return away
        except Exception as error:  # history is a help: whatever is wrong with it fails no run
            self.problem = error
            if not isinstance(error, HistoryUnusable):
                self.problem = unusable(self.archive.shown, error)
            with suppress(Exception):
                self.archive.close()
            self.archive = MemoryArchive(self.saved)
            return None

    def tell(self) -> None:
        """Warn once, in a thread of the user's; even where warnings are errors, no result is lost."""
        if self.problem is not None and not self.told:
            self.told = True
            with suppress(UserWarning):
                words = f"{self.problem} This process goes on without."
                warnings.warn(words, stacklevel=2 + frames_of_libraries())


def unusable(where: str, error: Exception) -> HistoryUnusable:
    """What a store has against it does not go away with what is in the history."""
    if isinstance(error, StoreDenied) and error.known:
        rights = error.rights or "the rights that docs/security.md has for it"
        return HistoryUnusable(where, f"is not for this user ({error.reason})", f"Grant {rights}")
    if isinstance(error, ServerlessError):
        return HistoryUnusable(where, f"cannot be used ({error})", "Mend that")
    return HistoryUnusable(where, f"cannot be used ({error!r})", HistoryUnusable.BEGIN_ANEW)


class NoHistory(History):
    """Learns nothing: the setting ``history`` is false."""

    def __init__(self) -> None:
        super().__init__(MemoryArchive())

    def record(self, observations: Told) -> None:
        pass
