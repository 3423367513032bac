"""View: the containers of a Serverless object under other settings."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dask_serverless.client import forks
from dask_serverless.client.engine import Engine, check_blobs, end
from dask_serverless.config import Settings
from dask_serverless.errors import SettingsError
from dask_serverless.serverless import AUTO, Serverless, make_planner
from dask_serverless.showing import Told, shown_all

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport
    from planners.plans.plan import Planner


class View(Serverless):
    """Holds the object that the containers belong to, so that they stay as long as it is used.

    Where nobody else holds that object, as in ``with Serverless().options(...):``, the containers
    end with the view; otherwise they go on serving whoever does.
    """

    def __init__(self, of: Serverless, settings: dict[str, Any]) -> None:
        self._keywords = Told(settings)
        self._changes = Told(Settings.options(**settings))
        self._prepare()
        self._of: Serverless | None = of
        self._seen = weakref.ref(of)
        self._known = of._keywords
        self._check_containers()
        if (blobs := self._changes.get("blobs")) is not None:
            check_blobs(blobs, self.settings.backend)
        self._made: tuple[Any, bool, Planner] | None = None  # from what, and whether it learns
        if "planner" in settings:  # what is wrong with it is told at once
            self._make(self._changes["planner"], False)

    def _check_containers(self) -> None:
        wanted = self._changes.get("containers")
        if wanted is not None and wanted > (most := self._ready().backend.containers):
            raise SettingsError(
                "options(containers=...)",
                f"is {wanted}, but there are only {most} to choose from: make another "
                f"Serverless(containers={wanted}).",
            )

    @property
    def settings(self) -> Settings:
        return replace(self._object().settings, **self._changes)

    @property
    def planner(self) -> Planner:
        if not {"planner", "history"} & self._changes.keys():
            return self._object().planner
        if self._changes.get("planner", AUTO) != AUTO:  # whatever the settings of the object are
            return self._make(self._changes["planner"], False)
        settings = self.settings
        return self._make(settings.planner, bool(settings.history))

    def _make(self, planner: Any, learning: bool) -> Planner:
        """Once, as long as the settings of the object do not change."""
        made = self._made
        if made is None or made[0] is not planner or made[1] != learning:
            with forks.importing:
                made = self._made = planner, learning, make_planner(planner, learning)
        return made[2]

    def _ran(self, report: RunReport) -> None:
        """The containers' object has it as well: whose last run would it be otherwise?"""
        super()._ran(report)
        if (seen := self._seen()) is not None:
            seen._ran(report)

    def options(self, **settings: Any) -> Serverless:
        return View(self._object(), {**self._keywords, **settings})

    def close(self) -> None:
        """Let go of the containers; the next call takes them up again, or starts anew."""
        with self.lock:
            of, self._of = self._of, None
        engine = of._engine if of is not None else None
        del of
        if engine is not None and self._seen() is None:  # nobody else held them
            end(engine)

    def _object(self) -> Serverless:
        with self.lock:
            if self._of is None:
                self._of = self._seen() or Serverless(**self._known)
                self._seen = weakref.ref(self._of)
            return self._of

    def _ready(self) -> Engine:
        return self._object()._ready()

    def __repr__(self) -> str:
        of = self._seen() or f"Serverless({shown_all(self._known)})"
        return f"{of!r}.options({shown_all(self._keywords)})"
