"""Exceptions of all kinds arrive as they were raised: type, arguments, text, attributes, chain."""

from __future__ import annotations

import copyreg
import subprocess
import sys
import textwrap
import threading
import time
import types
from dataclasses import dataclass
from json import JSONDecodeError

import numpy as np
import pytest

from dask_serverless.errors import ExceptionNotPicklable
from dask_serverless.worker import deadline
from dask_serverless.worker.blame import Blame
from dask_serverless.worker.exceptions import MOST_BYTES, MOST_EXCEPTIONS
from dask_serverless.worker.failure import pack_failure, unpack_failure
from planners.graph.dag import Dag

NO_DAG = Dag.from_edges(0, [], [])


def crossed(error):
    """What the client gets of an error raised here."""
    packed = pack_failure(error, Blame(), container="c1", bundle=3)
    return unpack_failure(packed, NO_DAG, [].__getitem__)


class Picky(Exception):
    """Its constructor wants more than its message."""

    def __init__(self, code, *, reason):
        super().__init__(f"{code}: {reason}")
        self.code = code


class Fewer(ValueError):
    """Its constructor wants nothing."""

    def __init__(self):
        super().__init__("always", "the same")


class Silent(Exception):
    """Does not tell its base class what it got."""

    def __init__(self, first, second):
        self.both = (first, second)

    def __str__(self):
        return "{} and {}".format(*self.both)


class Sloted(Exception):
    __slots__ = ("__private", "never", "where")

    def __init__(self, where):
        self.where = where
        self.__private = 5

    def private(self):
        return self.__private


class OfTheSystem(OSError):
    def __init__(self, path):
        super().__init__(2, "gone", path)
        self.path = path


class Reduced(Exception):
    """Says itself how it is to be made again."""

    def __init__(self, numbers, *, unit):
        super().__init__(unit)
        self.held = threading.Lock()
        self.numbers = numbers

    def __reduce__(self):
        return make_reduced, (self.numbers, self.args[0])


def make_reduced(numbers, unit):
    return Reduced(numbers, unit=unit)


class ReducedBadly(ValueError):
    def __reduce__(self):
        return int, ()


class Strict(Exception):
    """Lets nobody set anything."""

    def __init__(self, value):
        self.__dict__["value"] = value

    def __setattr__(self, name, value):
        raise AttributeError(name)


@dataclass
class Data(Exception):
    code: int
    words: list


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Group(ExceptionGroup):
    """A group with a constructor of its own."""

    def __new__(cls, errors, code):
        self = super().__new__(cls, f"code {code}", errors)
        self.code = code
        return self


class New(Exception):
    def __new__(cls, first, *, second):
        return super().__new__(cls, first)

    def __init__(self, first, *, second):
        super().__init__(first)


class Registered(Exception):
    pass


def reduce_registered(error):
    return make_registered, (error.args[0],)


def make_registered(text):
    error = Registered(text)
    error.by = "copyreg"
    return error


def decoding():
    try:
        b"\xff".decode()
    except UnicodeDecodeError as error:
        return error


def importing():
    try:
        import nonesuch.part  # noqa: F401
    except ImportError as error:
        return error


def parsing():
    try:
        compile("a b", "file.py", "exec")
    except SyntaxError as error:
        return error


def missing_file():
    try:
        open("/nonesuch/file")
    except OSError as error:
        return error


def recursing():
    def deeper():
        return deeper() + 1

    try:
        deeper()
    except RecursionError as error:
        return error.with_traceback(None)


def renamed():
    error = missing_file()
    error.filename2 = "other"
    error.custom = [1, {"a": 2}]
    return error


KINDS = [
    ValueError("text", 3), ValueError(), Exception(None), KeyError("k"), KeyError(("x", 0)),
    IndexError("i"), ZeroDivisionError("z"), StopIteration(3), StopAsyncIteration("s"),
    AssertionError({"a": [1]}), MemoryError("m"), NotImplementedError(), TimeoutError("slow"),
    UnicodeEncodeError("ascii", "é", 0, 1, "no"), UnicodeTranslateError("é", 0, 1, "no"),
    OSError(5, "i/o"), OSError("only text"), OSError(2, "no", "a", None, "b"), PermissionError(13, "p"),
    BlockingIOError(11, "again", 7), ConnectionResetError(104, "r"), ImportError("i", name="n", path="p"),
    NameError("n", name="x"), SyntaxError("bad", ("f", 1, 2, "line", 1, 3)), UserWarning("w"),
    JSONDecodeError("msg", "doc", 2), subprocess.CalledProcessError(3, ["cmd"], b"out", b"err"),
    subprocess.TimeoutExpired("cmd", 2.5), np.exceptions.AxisError(3, 2), np.linalg.LinAlgError("s"),
    Picky(7, reason="odd"), Fewer(), Silent(1, 2), Sloted("here"), OfTheSystem("/x"),
    Strict(4), Data(1, ["a"]), Frozen(3), New(1, second=2), ReducedBadly("b"), Registered("r"),
    decoding(), importing(), parsing(), missing_file(), recursing(), renamed(),
]  # fmt: skip


def fields(error):
    """All that can be read of an exception, by name."""
    names = [n for kind in type(error).__mro__[:-1] for n in vars(kind) if not n.startswith("__")]
    values = {n: getattr(error, n, None) for n in names if n not in ("obj", "with_traceback")}
    values |= vars(error)
    return {name: value for name, value in values.items() if not callable(value)}


@pytest.mark.parametrize("error", KINDS, ids=lambda e: type(e).__name__)
def test_any_kind_arrives_with_all_it_had(error):
    arrived = crossed(error)
    assert type(arrived) is type(error)
    assert arrived.args == error.args
    assert str(arrived) == str(error)
    assert fields(arrived) == fields(error) or isinstance(error, Registered)
    assert not hasattr(arrived, "__notes__")


def test_private_slots_arrive_and_empty_ones_stay_empty():
    arrived = crossed(Sloted("here"))
    assert (arrived.where, arrived.private()) == ("here", 5)
    assert not hasattr(arrived, "never")


def test_a_class_that_says_how_it_is_pickled_is_made_that_way():
    arrived = crossed(Reduced([1, 2], unit="m"))
    assert (type(arrived), arrived.numbers, arrived.args) == (Reduced, [1, 2], ("m",))
    assert not arrived.held.locked()
    copyreg.pickle(Registered, reduce_registered)  # here: tblib would have replaced it
    assert crossed(Registered("r")).by == "copyreg"


# What it came from


def linked():
    low, meanwhile, high = KeyError("low"), OSError(2, "meanwhile"), Picky(1, reason="high")
    high.__cause__, high.__context__ = low, meanwhile
    low.__context__ = ValueError("lowest")
    low.__suppress_context__ = True
    return high


def test_cause_and_context_arrive_both_and_so_does_what_is_hidden():
    arrived = crossed(linked())
    assert (type(arrived.__cause__), type(arrived.__context__)) == (KeyError, FileNotFoundError)
    assert arrived.__suppress_context__
    assert type(arrived.__cause__.__context__) is ValueError
    assert arrived.__cause__.__suppress_context__
    assert not arrived.__context__.__suppress_context__


def test_an_exception_that_comes_from_itself_arrives():
    first, second = ValueError(1), KeyError(2)
    first.__cause__, second.__context__ = second, first
    arrived = crossed(first)
    assert arrived.__cause__.__context__ is arrived

    alone = ValueError("alone")
    alone.__cause__ = alone
    arrived = crossed(alone)
    assert arrived.__cause__ is arrived


def test_exceptions_in_arguments_and_attributes_are_the_same_ones():
    inner = Picky(1, reason="inner")
    outer = ValueError("outer", [inner])
    outer.inner, outer.me, outer.__cause__ = {"x": inner}, [outer], inner
    arrived = crossed(outer)
    assert arrived.args[1][0] is arrived.inner["x"] is arrived.__cause__
    assert arrived.me[0] is arrived
    assert arrived.inner["x"].code == 1


def test_a_long_chain_arrives_and_an_endless_one_is_cut():
    for length in (200, 3 * MOST_EXCEPTIONS):
        error = bottom = ValueError(0)
        for i in range(1, length):
            bottom.__context__ = ValueError(i)
            bottom = bottom.__context__
        arrived, count = crossed(error), 0
        while arrived is not None:
            assert arrived.args == (count,)
            arrived, count = arrived.__context__, count + 1
        assert count == min(length, MOST_EXCEPTIONS)


def test_groups_arrive_whole():
    inner = ExceptionGroup("inner", [Picky(1, reason="x"), linked()])
    inner.add_note("a note")
    arrived = crossed(BaseExceptionGroup("outer", [inner, SystemExit(3)]))
    assert type(arrived) is BaseExceptionGroup
    assert arrived.message == "outer"
    got, leave = arrived.exceptions
    assert (type(got), got.__notes__, leave.code) == (ExceptionGroup, ["a note"], 3)
    assert type(got.exceptions[1].__cause__) is KeyError
    assert got.exceptions[0].code == 1


def test_a_group_with_a_constructor_of_its_own_arrives():
    arrived = crossed(Group([ValueError(1), KeyError(2)], 9))
    assert (type(arrived), arrived.code, arrived.message) == (Group, 9, "code 9")
    assert [type(e) for e in arrived.exceptions] == [ValueError, KeyError]
    assert [type(e) for e in arrived.split(ValueError)] == [ExceptionGroup, ExceptionGroup]


@pytest.mark.parametrize("installed", [False, True])
def test_tblib_changes_nothing(installed):
    """It teaches pickle to follow chains, by calling classes with what they do not take."""
    script = """
        import sys
        sys.path[:0] = {path!r}
        if {installed}:
            import tblib.pickling_support
            tblib.pickling_support.install()
        from test_failure_kinds import *
        for error in [*KINDS, linked(), Group([ValueError(1)], 9)]:
            arrived = crossed(error)
            assert type(arrived) is type(error), error
            assert arrived.args == error.args or isinstance(error, Group), error
            assert type(arrived.__cause__) is type(error.__cause__)
        test_an_exception_that_comes_from_itself_arrives()
        test_exceptions_in_arguments_and_attributes_are_the_same_ones()
        test_a_class_that_says_how_it_is_pickled_is_made_that_way()
    """
    script = textwrap.dedent(script).format(path=sys.path, installed=installed)
    subprocess.run([sys.executable, "-c", script], check=True)


# What cannot travel


def test_an_attribute_that_does_not_pickle_is_named_and_the_rest_arrives():
    error = Picky(7, reason="odd")
    error.held = threading.Lock()
    arrived = crossed(error)
    assert (type(arrived), arrived.code, str(arrived)) == (Picky, 7, "7: odd")
    assert repr(arrived.held) == repr(error.held)
    (note,) = arrived.__notes__
    assert "held" in note
    assert "lock" in note


def test_an_argument_that_does_not_pickle_looks_as_it_did():
    error = ValueError("held", threading.Lock())
    arrived = crossed(error)
    assert (type(arrived), str(arrived), arrived.args[0]) == (ValueError, str(error), "held")
    assert "argument 1" in arrived.__notes__[0]


class Trap:
    """Pickles, and does not unpickle."""

    def __reduce__(self):
        return int, ("no number",)


def test_what_pickles_and_does_not_unpickle_is_lost_alone():
    error = KeyError("k", Trap())
    error.other = 1
    arrived = crossed(error)
    assert (type(arrived), arrived.args[0], arrived.other) == (KeyError, "k", 1)
    assert "no number" in arrived.__notes__[0]


def class_elsewhere(name, source):
    """A class of a module that is gone when the exception arrives."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(textwrap.dedent(source), vars(module))
    return module


def test_a_class_of_a_module_that_the_client_lacks_has_a_stand_in():
    module = class_elsewhere(
        "nonesuch_errors",
        """
        class Root(Exception):
            pass
        class Odd(Root, ValueError, LookupError):
            def __init__(self, a, b):
                super().__init__(a)
                self.b = b
            def __str__(self):
                return f"odd {self.b}"
        class Leave(BaseException):
            pass
        """,
    )
    try:
        errors = [module.Odd(1, "two"), module.Leave("text"), module.Root("root")]
        packed = [pack_failure(e, Blame(), container="c", bundle=0) for e in errors]
    finally:
        del sys.modules["nonesuch_errors"]
    odd, leave, root = [unpack_failure(data, NO_DAG, [].__getitem__) for data in packed]
    assert isinstance(odd, ValueError)
    assert isinstance(odd, LookupError)
    assert isinstance(odd, ExceptionNotPicklable)
    assert (type(odd).__name__, type(odd).__module__) == ("Odd", "nonesuch_errors")
    assert (str(odd), odd.args, odd.b) == ("odd two", (1,), "two")
    assert "nonesuch_errors.Odd" in odd.__notes__[0]
    assert type(leave).__mro__[1] is BaseException
    assert (str(leave), type(leave).__name__) == ("text", "Leave")
    assert isinstance(root, ExceptionNotPicklable)


def test_a_class_that_does_not_pickle_has_a_stand_in():
    lock = threading.Lock()

    class Local(KeyError):
        held = lock

    arrived = crossed(Local("x"))
    assert isinstance(arrived, KeyError)
    assert (type(arrived).__name__, str(arrived), arrived.args) == ("Local", "'x'", ("x",))


def test_a_local_class_arrives_as_itself():
    class Local(KeyError):
        def __init__(self, a, b):
            super().__init__(a)

    arrived = crossed(Local(1, 2))
    assert (type(arrived), arrived.args) == (Local, (1,))


class Mute(ValueError):
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __reduce__ = __getstate__ = __str__


def test_an_exception_that_cannot_be_shown_arrives():
    arrived = crossed(Mute("x"))
    assert (type(arrived), arrived.args) == (Mute, ("x",))


class Slow(ValueError):
    def __str__(self):
        while True:
            time.sleep(0.001)

    __repr__ = __reduce__ = __str__


class Pit:
    def __reduce__(self):
        time.sleep(60)


def test_an_exception_that_hangs_when_it_is_shown_or_pickled_arrives(monkeypatch):
    monkeypatch.setattr(deadline, "CALL_SECONDS", 0.2)
    begun = time.monotonic()
    arrived = crossed(Slow("x", Pit()))
    assert (type(arrived), arrived.args[0]) == (Slow, "x")
    assert "too long" in arrived.__notes__[0]
    assert time.monotonic() - begun < 10


def test_what_is_too_large_is_left_behind_and_the_message_stays():
    large = np.ones(MOST_BYTES // 8 + 1)
    error = ValueError("message", large, 3)
    error.text = "x" * (MOST_BYTES + 5)
    arrived = crossed(error)
    assert (type(arrived), arrived.args[0], arrived.args[2]) == (ValueError, "message", 3)
    assert "too large" in arrived.__notes__[0]
    assert arrived.text.startswith("xxx")
    assert len(arrived.text) < 100_000


def test_a_message_that_is_too_large_arrives_shortened():
    arrived = crossed(ValueError("begin " + "x" * (MOST_BYTES + 5)))
    assert type(arrived) is ValueError
    assert str(arrived).startswith("begin xxx")


def test_what_fits_arrives_whole():
    arrived = crossed(ValueError(np.arange(100_000)))
    assert arrived.args[0].sum() == 4_999_950_000
