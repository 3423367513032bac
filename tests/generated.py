"""The parts of the documentation that are made from code: ``python tests/generated.py`` writes them.

Each stands between ``<!-- NAME: … -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

from dask_serverless import errors
from dask_serverless.config import DESCRIPTIONS
from dask_serverless.coordination.redis import script
from dask_serverless.worker.machine import diagram

ROOT = Path(__file__).parents[1]
KEY = re.compile(
    r"^--   (?P<name>\S+) +(?P<kind>string|hash|z?set|stream) +(?P<what>.+)$", re.MULTILINE
)


def table(*rows: tuple[str, ...]) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def in_cell(text: str) -> str:
    """Plain text as Markdown that looks the same in a table."""
    return text.replace("->", "→").replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")


def settings() -> str:
    """serverless.yaml, whose comments are the descriptions."""
    rows = [(f"`{d.name}`", f"`{d.default}`", in_cell(d.meaning)) for d in DESCRIPTIONS]
    return table(("setting", "default", "what it decides"), *rows)


def container_states() -> str:
    return f"```mermaid\n{diagram()}\n```"


def keys() -> str:
    """The keys of a run, as the scripts' common part lists them."""
    found = KEY.finditer(script("claim").source)
    rows = [(f"`{m['name']}`", m["kind"], in_cell(m["what"])) for m in found]
    return table(("key", "type", "what it holds"), *rows)


def error_tree() -> str:
    """Every error, below what it is a kind of."""
    lines: list[str] = []

    def visit(kind: type[Exception], depth: int) -> None:
        builtin = [b.__name__ for b in kind.__bases__ if b.__module__ == "builtins"]
        told = "".join(f" (also `{name}`)" for name in builtin if name != "Exception")
        lines.append(f"{'  ' * depth}- `{kind.__name__}`{told}: {inspect.getdoc(kind)}")
        for each in vars(errors).values():
            if inspect.isclass(each) and kind in each.__bases__:
                visit(each, depth + 1)

    visit(errors.ServerlessError, 0)
    return "\n".join(lines)


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("README.md", settings),
    "states": ("docs/container.md", container_states),
    "keys": ("docs/protocol.md", keys),
    "errors": ("docs/errors.md", error_tree),
}


def renewed(text: str, name: str, part: str) -> str:
    """The document with this part in its place."""
    head, mark, rest = text.partition(f"<!-- {name}: ")
    comment, _, rest = rest.partition("-->\n")
    _, end, tail = rest.partition("<!-- end -->")
    if not (mark and end):
        raise ValueError(f"there is no place for {name!r}")
    return f"{head}{mark}{comment}-->\n\n{part}\n\n{end}{tail}"


if __name__ == "__main__":
    for name, (file, make) in PARTS.items():
        document = ROOT / file
        document.write_text(renewed(document.read_text(), name, make()))
