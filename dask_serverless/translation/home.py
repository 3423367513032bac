"""Divides a translation: what only the client can do is taken out of what containers run.

A file that the client has open for writing, an array in its memory: a container would write into a
copy, or break the file. What is to be written comes to the client instead, which writes each piece
once, however often containers are lost over making it; what follows from a write stays there too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from dask.utils import apply

from dask_serverless.translation.columns import Columns
from dask_serverless.translation.recipes import Recipe
from dask_serverless.translation.targets import written_at_home
from dask_serverless.translation.translate import Translation
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.names import qualified_name

Arguments = Mapping[int | str, Any]  # by place or keyword; those that tasks make are not in it
Rule = Callable[[Arguments], bool]


def always(arguments: Arguments) -> bool:
    """These append: a bundle that runs again after its container was lost would do so twice."""
    return True


def writes_at_home(arguments: Arguments) -> bool:
    return 1 in arguments and written_at_home(arguments[1])


def inserts(arguments: Arguments) -> bool:
    return qualified_name(arguments.get(0)) == ("dask.dataframe.io.sql", "_to_sql_chunk")


def appends(arguments: Arguments) -> bool:
    return "a" in getattr(arguments.get(1), "mode", "")


def path(arguments: Arguments) -> str:
    return getattr(arguments.get(1), "path", "")


RULES: dict[tuple[str, str], Rule] = {
    ("dask.array.core", "store_chunk"): writes_at_home,
    ("dask.array.core", "load_store_chunk"): writes_at_home,
    ("dask.dataframe.io.csv", "_write_csv"): appends,
    ("dask.dataframe.io.hdf", "_pd_to_hdf"): always,
    ("dask.dataframe.io.sql", "_to_sql_chunk"): always,
    ("dask.dataframe.io.sql", "_extra_deps"): inserts,
}


def applies(arguments: Arguments) -> bool:
    """How older Dask calls with keywords: what it calls with is not in sight, so be careful."""
    return RULES.get(qualified_name(arguments.get(0))) in (always, appends, inserts)


class PartOf(NamedTuple):
    """In the place of a key, for a task that is not all of what the key stands for."""

    key: Any


@dataclass
class Home:
    """The client's own part of a run: steps in an order in which they can run."""

    steps: list[Step] = field(default_factory=list)
    takes: list[frozenset[int]] = field(default_factory=list)  # what each step waits for
    labels: list[Any] = field(default_factory=list)  # the key that each step belongs to
    functions: Sequence[Callable[..., Any]] = ()
    constants: Mapping[int, Any] = field(default_factory=dict)
    inputs: set[int] = field(default_factory=set)  # tasks of containers
    asked: set[int] = field(default_factory=set)  # what results are made of, from wherever
    afterwards: bool = False  # whether it must wait until containers have read all they need


def is_called_at_home(value: Any) -> bool:
    return callable(value) and qualified_name(value) in RULES


def divided(translation: Translation) -> tuple[Translation, Home | None]:
    """What containers run, and the client's part; most runs have none, and are found out at once."""
    rules = {
        index: rule
        for index, function in enumerate(translation.functions)
        if (rule := RULES.get(qualified_name(function)))
    }
    applying = [index for index, function in enumerate(translation.functions) if function is apply]
    if applying and any(map(is_called_at_home, translation.constants.values())):
        rules |= dict.fromkeys(applying, applies)
    if not rules:
        return translation, None
    division = _Division(translation, rules)
    division.sort()
    if not division.home.steps:
        return translation, None
    return division.rest(), division.home


class _Division:
    """Goes through all steps in their order; those at home get names that no task can have."""

    def __init__(self, translation: Translation, rules: dict[int, Rule]) -> None:
        self.translation = translation
        self.rules = rules
        self.home = Home(functions=translation.functions, constants=translation.constants)
        self.names: dict[int, int] = {}  # old → new, of tasks and of what became one
        self.next_home = len(translation.steps)
        self.at_home: set[int] = set()  # new names
        self.steps: list[Step] = []
        self.columns = Columns()

    def sort(self) -> None:
        old = self.translation
        first = old.first_steps or range(len(old.steps) + 1)
        truncated = self.truncated_files()
        for task, label in enumerate(old.dag.labels):
            mine = old.steps[first[task] : first[task + 1]]
            if before := self.made_at_home(mine):
                for step in mine:
                    self.take(step, label, before)
            elif any(self.is_home(step, truncated) for step in mine):
                self.divide(mine, label, truncated)
            else:
                self.keep(mine, label)

    def divide(self, steps: Sequence[Step], label: Any, truncated: set[str]) -> None:
        """Part of a task is the client's: each of its other steps becomes a task."""
        for step in steps:
            if self.made_at_home([step]) or self.is_home(step, truncated):
                self.take(step, label, ())
            else:
                self.keep([step], PartOf(label))

    def made_at_home(self, steps: Sequence[Step]) -> Sequence[int]:
        """Which of the names that these steps take belong to the client's part."""
        taken = {self.names.get(name, name) for step in steps for name in step[2]}
        return tuple(taken & self.at_home)

    def is_home(self, step: Step, truncated: set[str]) -> bool:
        rule = self.rules.get(step[1])
        if rule is None:
            return False
        arguments = self.arguments(step)
        return rule(arguments) or (rule is appends and path(arguments) in truncated)

    def arguments(self, step: Step) -> Arguments:
        _, _, names, keywords = step
        plain = len(names) - len(keywords or ())
        places = [*range(plain), *(keywords or ())]
        constants = self.translation.constants
        return {p: constants[n] for p, n in zip(places, names, strict=True) if n in constants}

    def truncated_files(self) -> set[str]:
        """Files that some task begins and others append to: one place must write all of it."""
        csv = [index for index, rule in self.rules.items() if rule is appends]
        written = [self.arguments(step) for step in self.translation.steps if step[1] in csv]
        return {path(arguments) for arguments in written if appends(arguments)}

    def renamed(self, step: Step, out: int) -> Step:
        _, function, names, keywords = step
        return out, function, tuple([self.names.get(name, name) for name in names]), keywords

    def take(self, step: Step, label: Any, before: Sequence[int]) -> None:
        """A step for the client; Dask runs no part of a task before all that the task takes."""
        out = self.names[step[0]] = self.next_home
        self.next_home += 1
        self.at_home.add(out)
        step = self.renamed(step, out)
        self.home.steps.append(step)
        self.home.labels.append(label)
        self.home.takes.append(frozenset([*before, *step[2]]))
        self.home.inputs.update([n for n in step[2] if n >= 0 and n not in self.at_home])

    def keep(self, steps: Sequence[Step], label: Any) -> None:
        task = self.names[steps[-1][0]] = len(self.columns.labels)
        inner = [self.renamed(step, step[0]) for step in steps[:-1]]
        mine = [*inner, self.renamed(steps[-1], task)]
        used = dict.fromkeys([name for step in mine for name in step[2]])
        constants = [name for name in used if name in self.translation.constants]
        if constants:
            self.columns.constants_of[task] = constants
        self.columns.add(label, mine[-1][1], [name for name in used if name >= 0])
        self.steps += mine

    def rest(self) -> Translation:
        """The translation of what containers run; recipes may name what is made at home."""
        old = self.translation
        done: dict[int, Recipe] = {}
        recipes = {key: self.recipe(recipe, done) for key, recipe in old.recipes.items()}
        asked = self.home.asked = {recipe.task for recipe in done.values() if recipe.task >= 0}
        constants_of = self.columns.constants_of
        self.home.afterwards = any(map(self.reads_open_files, constants_of.values()))
        return replace(
            old,
            dag=self.columns.dag(old.functions, (asked - self.at_home) | self.home.inputs),
            steps=self.steps,
            first_steps=self.columns.first_steps(self.steps),
            constants_of=constants_of,
            recipes=recipes,
        )

    def reads_open_files(self, constants: Sequence[int]) -> bool:
        """Containers open such a file a second time; while it changes they would read rubbish."""
        values = [self.translation.constants[name] for name in constants]
        return any(type(value).__module__.partition(".")[0] == "h5py" for value in values)

    def recipe(self, recipe: Recipe, done: dict[int, Recipe]) -> Recipe:
        if id(recipe) not in done:
            parts = {key: self.recipe(part, done) for key, part in recipe.parts.items()}
            task = self.names[recipe.task] if recipe.task >= 0 else -1
            done[id(recipe)] = replace(recipe, task=task, parts=parts)
        return done[id(recipe)]
