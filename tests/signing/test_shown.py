"""Values that hold a password, a token or a secret do not show it to whoever prints them."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from dask_serverless.blobs.storage import Storage
from dask_serverless.store.address import Address

ROOT = Path(__file__).parents[2]
NAMES = {"token", "secret", "password", "store"}  # a store's URL has its password
TEXT = {"str", "str | None"}
NO_SECRETS = {"dask_serverless/blobs/lock.py:Lock.token"}  # names an attempt


def holding():
    """Each such field of a class whose repr Python makes of all fields, and whether it is in there."""
    for package in ("dask_serverless", "worker_container"):
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text()
            for made in ast.walk(ast.parse(text)) if "dataclass" in text else ():
                if isinstance(made, ast.ClassDef) and shown_by_python(made):
                    for each in made.body:
                        if is_one(each):
                            where = f"{path.relative_to(ROOT)}:{made.name}.{each.target.id}"
                            yield where, "repr=False" not in ast.unparse(each)


def shown_by_python(made):
    decorators = [ast.unparse(each) for each in made.decorator_list]
    own = any(getattr(each, "name", "") == "__repr__" for each in made.body)
    data = [each for each in decorators if each.startswith("dataclass")]
    return bool(data) and "repr=False" not in data[0] and not own


def is_one(each):
    return (
        isinstance(each, ast.AnnAssign)
        and each.target.id in NAMES
        and ast.unparse(each.annotation) in TEXT
    )


def test_no_class_shows_what_it_must_not():
    found = dict(holding())
    assert len(found) >= 15
    assert [where for where, shown in found.items() if shown and where not in NO_SECRETS] == []


@pytest.mark.parametrize(("made", "name"), [(Storage, "url"), (Address, "options")])
def test_nor_do_those_where_it_has_another_name(made, name):
    """A bucket's URL, and what follows the question mark."""
    assert [each.repr for each in fields(made) if each.name == name] == [False]
