"""Page: what all pages are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.view import Moment, View


class Page:
    """Made for one session and one run; ``root`` is what Bokeh shows, ``update`` what is new.

    Without a reader nobody answers the browser: the page stands in a file.
    """

    path: ClassVar[str]
    title: ClassVar[str]
    needs_run: ClassVar[bool] = True
    of_a_run: ClassVar[bool] = True  # and so in its report
    replayed: ClassVar[bool] = False  # whether it shows any moment of a run

    root: Any
    schedule: Callable[[], None] = staticmethod(lambda: None)  # asks for an update

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        raise NotImplementedError

    def by_itself(self, slider: Any, moments: Sequence[Moment]) -> None:
        """In a file: what the browser has to do on its own, for the moments of this slider."""

    def update(self, moment: Moment | None) -> None:
        """Draw what has changed."""
