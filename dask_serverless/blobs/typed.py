"""What a script makes for its annotations, which go with its functions: cloudpickle knows TypeVar alone."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable
from typing import Any, NewType, ParamSpec, TypeVar

from cloudpickle import cloudpickle


def type_var(made: Any) -> tuple[Any, ...]:
    return cloudpickle._make_typevar, cloudpickle._decompose_typevar(made)


def new_type(made: Any) -> tuple[Any, ...]:
    return NewType, (made.__name__, made.__supertype__), vars(made)


def param_spec(made: Any) -> tuple[Any, ...]:
    return make_param_spec, (
        made.__name__,
        made.__bound__,
        made.__covariant__,
        made.__contravariant__,
    )


def make_param_spec(name: str, bound: Any, covariant: bool, contravariant: bool) -> Any:
    options = {"bound": bound, "covariant": covariant, "contravariant": contravariant}
    return ParamSpec(name, **options)


def type_var_tuple(made: Any) -> tuple[Any, ...]:
    return typing.TypeVarTuple, (made.__name__,)


def type_alias(made: Any) -> tuple[Any, ...]:
    return make_alias, (made.__name__, made.__value__, made.__type_params__)


def make_alias(name: str, value: Any, parameters: tuple[Any, ...]) -> Any:
    return typing.TypeAliasType(name, value, type_params=parameters)  # type: ignore[attr-defined]


def importable(made: Any) -> bool:
    """Whether a container finds it by its name."""
    if cloudpickle._lookup_module_and_qualname(made, name=made.__name__) is None:
        return False
    return not cloudpickle._is_registered_pickle_by_value(sys.modules[made.__module__])


BY_VALUE: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    TypeVar: type_var,
    NewType: new_type,
    ParamSpec: param_spec,
    typing.TypeVarTuple: type_var_tuple,
}
if sys.version_info >= (3, 12):
    BY_VALUE[typing.TypeAliasType] = type_alias
