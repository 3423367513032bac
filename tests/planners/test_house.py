"""The house of planners: what stands on a floor imports from that floor and those below it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "planners"
PLANNERS = {"list_schedule", "non_uniform", "simple", "structural", "uniform", "wukong"}
FLOORS = (
    {"errors"},
    {"graph"},
    {"numbers", "grouping"},
    {"plans"},
    {"cost"},
    {"placing", "optimizations"},
    PLANNERS,
    {"aimed", "auto"},
    {"registry"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path):
    """Every module that a file names, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_from_higher_floors_to_lower_ones(path):
    mine = FLOOR_OF[room_of(path)]
    for module in imported(path):
        top, _, rest = module.partition(".")
        assert top not in ("dask", "redis", "hiredis", "dask_serverless"), f"{path} imports {top}"
        if top == "planners" and rest:
            room = rest.split(".")[0]
            planners = room in PLANNERS and room_of(path) in PLANNERS
            at_home = room == room_of(path) or planners
            allowed = FLOOR_OF[room] < mine or at_home
            assert allowed, f"{path} imports {module}, which stands above or beside it"


def test_no_imports_go_in_circles():
    def name_of(path):
        return ".".join(("planners", *path.relative_to(ROOT).with_suffix("").parts))

    needs = {name_of(path): set(imported(path)) for path in FILES}
    while needs:
        free = [name for name, others in needs.items() if not others & needs.keys()]
        assert free, f"these import one another: {sorted(needs)}"
        for name in free:
            del needs[name]
