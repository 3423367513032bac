"""The documentation says what the code does: what is made from code is in step, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from generated import PARTS, ROOT, renewed

from dask_serverless.coordination.base import Coordination
from dask_serverless.values import CHECKS
from planners.optimizations.optimization import ALL
from planners.registry import BUILT_IN

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", PARTS)
def test_what_is_made_from_code_is_in_step_with_it(name: str) -> None:
    file, make = PARTS[name]
    text = (ROOT / file).read_text()
    assert renewed(text, name, make()) == text, "python tests/generated.py writes it anew"


def test_every_setting_is_in_the_table() -> None:
    _, make = PARTS["settings"]
    assert [line.split("`")[1] for line in make().splitlines()[2:]] == list(CHECKS)


def test_every_call_of_the_protocol_is_described() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    scripts = (ROOT / "dask_serverless" / "coordination" / "lua").glob("*.lua")
    names = {path.stem for path in scripts} - {"begin"}  # a part of submit
    assert names <= set(vars(Coordination))
    assert [name for name in names if f"| `{name}` |" not in text] == []


def test_every_planner_and_every_optimization_is_described() -> None:
    text = (ROOT / "docs" / "planning.md").read_text()
    assert [name for name in BUILT_IN if f"\n**{name}** " not in text] == []
    assert [each.name for each in ALL if f"\n- **{each.name}**: " not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_in_the_documentation_compiles(document: Path) -> None:
    for snippet in PYTHON.findall(document.read_text()):
        compile(snippet, document.name, "exec")


def test_the_readme_snippets_run() -> None:
    """Each goes on where the one before ended, as for a reader who types them in."""
    import dask
    import dask.dataframe as dd
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 1, 2], "b": [1.0, 3.0, 5.0]})
    scope = {"df": dd.from_pandas(frame, npartitions=2)}
    try:
        for snippet in PYTHON.findall((ROOT / "README.md").read_text()):
            exec(snippet, scope)
    finally:
        dask.config.config.pop("scheduler", None)  # one of them sets it
        scope["serverless"].close()
