"""Serverless: the object that users pass as ``scheduler=``."""

from __future__ import annotations

import html
import os
import threading
import warnings
import weakref
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
from dask.local import get_sync

from dask_serverless.client import forks
from dask_serverless.client.callbacks import Observers, active
from dask_serverless.client.engine import Engine, end, end_dropped
from dask_serverless.client.report import RunReport
from dask_serverless.config import DESCRIPTIONS, Settings, Wishes
from dask_serverless.description import described, with_settings
from dask_serverless.errors import PlanRefused, SettingsError
from dask_serverless.showing import Told, shown_all
from dask_serverless.worker import inside

if TYPE_CHECKING:
    from dask_serverless.dashboard.process import DashboardProcess
    from dask_serverless.simulation.simulation import Simulation
    from planners.cost.outlook import Outlook
    from planners.numbers.predictions import Predictions
    from planners.plans.plan import Planner

# What needs NumPy is imported where it is used: the dask command loads this package for every
# command, also for those that have nothing to do with it.

AUTO = "auto"  # the planner that goes by what the history knows
SETTINGS = frozenset(setting.name for setting in DESCRIPTIONS)
CHANGED_LATE = (
    "cannot be changed in an object that is there: use Serverless({0}=...), or for some computes "
    "options({0}=...)."
)


@with_settings
class Serverless:
    """A Dask scheduler with no scheduler process.

    Pass it as ``scheduler=`` to ``dask.compute``, set it with ``dask.config.set(scheduler=...)``,
    or use it as a context manager, inside which it is Dask's default. Keywords are settings;
    whatever is left out comes from the environment (``DASK_SERVERLESS__CONTAINERS=8``), from
    Dask's configuration (``serverless.containers``) or is the default.
    """

    @described
    def __init__(self, /, *others: Any, **settings: Any) -> None:
        if others:  # scheduler=Serverless: Dask calls the class itself, with a graph and keys
            raise TypeError(
                "Serverless() takes settings, as keywords: Serverless(containers=4). "
                "As a scheduler pass an object, not the class: scheduler=Serverless()"
            )
        self._keywords = Told(settings)
        self._settings = Settings.gather(**settings)
        self._prepare()
        self._begin()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SETTINGS:  # nothing would come of it
            raise SettingsError(name, CHANGED_LATE.format(name))
        super().__setattr__(name, value)

    def _prepare(self) -> None:
        self.last_run: RunReport | None = None
        self.lock = threading.RLock()  # held while the engine is started or let go of
        self._engine: Engine | None = None
        self._dropped: weakref.finalize[Any, Any] | None = None
        self._contexts: list[ExitStack] = []
        forks.guard(self)

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        """Compute ``keys`` of what Dask passes; this is all that Dask needs of a scheduler."""
        with forks.importing:
            from dask_serverless.client.calling import Asked, surroundings
            from dask_serverless.client.failed import Failed, raise_here
            from dask_serverless.client.run import Run

        if inside.is_container():
            return get_sync(graph, keys)
        asked = Asked.by(graph, options)
        engine = self._ready()
        with active(options.get("callbacks")) as known, engine.link() as (url, link):
            run = Run(surroundings(self, engine, url, link, asked), Observers(known))
            try:
                return run.compute(graph, keys)
            except Failed as failed:
                error = failed.error
            finally:
                self._ran(run.report)
        raise_here(error)

    get = __call__

    def _ran(self, report: RunReport) -> None:
        self.last_run = report

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def planner(self) -> Planner:
        return self._planner

    def options(self, **settings: Any) -> Serverless:
        """The same containers under other settings, for some computes.

        What this returns is a scheduler and a context manager like the object itself, with a
        ``last_run`` of its own; the object's is the last of all that ran on its containers. Settings of the containers themselves (``memory``, say) cannot be
        changed. To close it is to let go of the containers: they end with the object that they
        belong to.
        """
        with forks.importing:
            from dask_serverless.view import View

        return View(self, settings)

    def plan(self, *collections: Any, **goals: Any) -> Outlook:
        """How these would be computed together, and what that would take; nothing is computed.

        It prints, and ``compare("wukong", "uniform")`` puts other planners beside it. Goals of this
        plan alone are keywords, as of a compute: ``sla``, ``deadline``, ``budget``.
        """
        if others := sorted(goals.keys() - set(Wishes._fields)):
            raise TypeError(
                f"plan() has no keyword {others[0]!r}: there are {', '.join(Wishes._fields)}. "
                f"Other settings go to options(...): options(planner='wukong').plan(x)."
            )
        self.settings.wishes(goals, "plan")
        with forks.importing:
            from dask_serverless.client.calling import planning
            from dask_serverless.client.handed_over import handed_over
            from dask_serverless.translation.home import divided
            from dask_serverless.translation.translate import materialise, translate

        caught = handed_over("plan", *collections)
        translation, _ = divided(translate(materialise(caught.graph), caught.keys))
        return planning(self, self.settings, self._ready(), goals).look(translation)

    def simulate(
        self, *collections: Any, predictions: Predictions | None = None, **backend: Any
    ) -> Simulation:
        """What it would take to compute these together on another backend; nothing is computed.

        Keywords describe that backend: ``containers=1000, store_rtt="1ms", cold_start="2s"``;
        ``dask_serverless.simulation.model.BackendModel`` has them all. What tasks take and leave
        is what the history knows of them; ``predictions`` may say otherwise.
        """
        with forks.importing:
            from dask_serverless.client.calling import planning
            from dask_serverless.simulation.what_if import what_if

        usual = planning(self, self.settings, self._ready(), {})
        return what_if(collections, usual, predictions, **backend)

    @property
    def dashboard_link(self) -> str:
        """Where the live pages are, with ``Serverless(dashboard=True)``."""
        dashboard = self._ready().audience.dashboard
        if dashboard is None:
            raise SettingsError("dashboard", "is off: use Serverless(dashboard=True).")
        return dashboard.link

    def _repr_html_(self) -> str:
        """For notebooks: what it is, where its pages are, and what ran last."""
        engine = self._engine  # to be looked at starts nothing
        dashboard = engine.audience.dashboard if engine is not None else None
        link = html.escape(dashboard.link, quote=True) if dashboard is not None else ""
        pages = f'<div><a href="{link}" target="_blank">{link}</a></div>' if link else ""
        last = self.last_run._repr_html_() if self.last_run is not None else ""
        return f"<div><code>{html.escape(repr(self))}</code>{pages}{last}</div>"

    def report(self, path: str | os.PathLike[str]) -> AbstractContextManager[None]:
        """Write the runs of a with block down, as one file that opens without a server."""
        from dask_serverless.dashboard.reporting import reported

        return reported(Path(path).absolute(), self._ready().audience, self.settings)

    def _begin(self) -> None:
        """Processes first: they come up while the planner is imported and the graph is made."""
        Serverless._ready(self)
        try:
            with forks.importing:
                settings = self._settings
                self._planner = make_planner(settings.planner, bool(settings.history))
        except BaseException:
            self.close()
            raise

    def _ready(self) -> Engine:
        with self.lock:
            if self._engine is None or self._engine.pid != os.getpid():
                if self._dropped is not None:
                    self._dropped.detach()
                engine = Engine(self._settings)
                engine.audience.dashboard = start_dashboard(engine)
                self._engine = engine
                self._dropped = weakref.finalize(self, end_dropped, engine)
                self._dropped.atexit = False  # then all engines are closed, and waited for
            return self._engine

    def close(self) -> None:
        """End the containers and remove all that they left; the next call starts anew."""
        with self.lock:
            engine, self._engine = self._engine, None
            dropped, self._dropped = self._dropped, None
        if engine is not None:
            end(engine)
        if dropped is not None:
            dropped.detach()

    def __enter__(self) -> Serverless:
        stack = ExitStack()
        stack.enter_context(dask.config.set({"scheduler": self}))
        if dask.config.get("dataframe.shuffle.method", None) is None:
            stack.enter_context(dask.config.set({"dataframe.shuffle.method": "tasks"}))
        self._contexts.append(stack)
        return self

    def __exit__(self, *exception: object) -> None:
        self._contexts.pop().close()
        if not self._contexts:
            self.close()

    def __reduce__(self) -> Any:
        """In a container, tasks that compute with this object do so there and then."""
        return nested, ()

    def __copy__(self) -> Serverless:
        return self

    def __deepcopy__(self, known: object) -> Serverless:
        """As part of a configuration that is copied: the same containers."""
        return self

    def __dask_tokenize__(self) -> tuple[str, int]:
        return "Serverless", id(self)

    def __repr__(self) -> str:
        return f"Serverless({shown_all(self._keywords)})"


class Lazy(Serverless):
    """The ready-made instance: reads settings and starts processes when it is first used."""

    def __init__(self) -> None:
        self._keywords = Told()
        self._prepare()

    @property
    def settings(self) -> Settings:
        self._ready()
        return self._settings

    @property
    def planner(self) -> Planner:
        self._ready()
        return self._planner

    def _ready(self) -> Engine:
        with self.lock:
            if self._engine is None:
                self._settings = Settings.gather()
                self._begin()
            return super()._ready()

    def __repr__(self) -> str:
        return "serverless"


def nested() -> Any:
    """What a Serverless object becomes in a container, and in any other process that gets it."""
    return get_sync if inside.is_container() else alone


def alone(graph: Any, keys: Any, **kwargs: Any) -> Any:
    """Processes get it with a configuration, too, and most of them never compute with it."""
    warnings.warn(
        "A Serverless object does not travel to other processes, but for tasks: what computes with "
        'it here does so in this process alone, like scheduler="sync". Make another Serverless() '
        "here.",
        stacklevel=2,
    )
    return get_sync(graph, keys, **kwargs)


def start_dashboard(engine: Engine) -> DashboardProcess | None:
    """Its link is printed once; it ends with the engine."""
    setting = engine.settings.dashboard
    if setting is None or setting is False:
        return None
    from dask_serverless.dashboard.access import Address
    from dask_serverless.dashboard.process import DashboardProcess

    try:
        settings = engine.settings
        dashboard = DashboardProcess(
            Address.parse(setting), settings.allow_origin, settings.dashboard_link
        )
    except BaseException:
        end(engine)
        raise
    print(f"Dashboard: {dashboard.link}", flush=True)
    return dashboard


def make_planner(planner: Any, learning: bool) -> Planner:
    """Without a history there is nothing that ``auto`` could go by, and it is ``structural``.

    So it is made as that: to import all that it chooses from would delay a first result.
    """
    from planners.errors import PlanError, UnknownPlanner
    from planners.plans.checked import CheckedPlanner
    from planners.registry import planner_named

    if isinstance(planner, str) and planner == AUTO and not learning:
        planner = "structural"
    try:
        if isinstance(planner, str):
            planner = planner_named(planner)
        elif not isinstance(planner, CheckedPlanner):
            planner = CheckedPlanner(planner, getattr(planner, "name", type(planner).__name__))
    except UnknownPlanner as error:  # its message says it all
        raise PlanRefused(str(error), error) from None
    except PlanError as error:
        raise PlanRefused(str(error), error) from error
    return planner
