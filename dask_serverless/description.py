"""What help(), signatures and completion show of the settings: made from serverless.yaml."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, TypeVar

from dask_serverless.config import DESCRIPTIONS

Kind = TypeVar("Kind", bound=type)


def described(init: Callable[..., None]) -> Callable[..., None]:
    """Give ``__init__`` a signature of the settings with their defaults."""
    settings = [Parameter(d.name, Parameter.KEYWORD_ONLY, default=d.value) for d in DESCRIPTIONS]
    itself = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    attributes: Any = init
    attributes.__signature__ = Signature([itself, *settings], return_annotation=None)
    return init


def with_settings(kind: Kind) -> Kind:
    """Add what each setting means to the class's documentation."""
    lines = ["", "    Settings", "    --------"]
    for d in DESCRIPTIONS:
        lines += [f"    {d.name} : default {d.default}", textwrap.indent(d.meaning, " " * 8)]
    kind.__doc__ = f"{(kind.__doc__ or '').rstrip()}\n" + "\n".join(lines) + "\n    "
    return kind
