"""Bad input, case by case: the error is clear, names the culprit, and the client goes on working."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path

import dask
import dask.array as da
import msgpack
import numpy as np
import pytest
from clients import run_script
from dask import delayed
from dask.utils import SerializableLock

from dask_serverless import Serverless, ServerlessError, errors
from dask_serverless.errors import (
    BlobLost,
    BundleLost,
    ExceptionNotPicklable,
    InputNotPicklable,
    PlanRefused,
    ResultNotPicklable,
    ResultTooLarge,
    StoreEvicts,
    StoreUnreachable,
    TaskExited,
)
from dask_serverless.worker.blame import Blame
from dask_serverless.worker.failure import pack_failure
from dask_serverless.worker.header import Header
from planners.errors import GoalError
from planners.plans.plan import Prediction


@pytest.fixture(autouse=True)
def goes_on(serverless):
    """Whatever a test did, the same client computes afterwards, and nothing is left behind."""
    yield
    assert dask.compute(delayed(sum)([1, 2]), scheduler=serverless) == (3,)
    assert [os.listdir(path) for path in serverless._engine.folders.paths] == [[], []]


def compute(value, client):
    return dask.compute(value, scheduler=client)[0]


# Exceptions of tasks


class Picky(Exception):
    """An exception whose constructor wants more than its message."""

    def __init__(self, code, *, reason):
        super().__init__(f"{code}: {reason}")
        self.code = code


class Wide(Exception):
    def __init__(self, first, second):
        super().__init__(first, second)
        self.first, self.second = first, second


def deep(n):
    if n == 0:
        raise ValueError("at the bottom")
    return deep(n - 1)


def raises(error):
    raise error


def test_an_exception_arrives_with_type_message_key_and_function(serverless):
    with pytest.raises(ValueError) as caught:
        compute(delayed(deep)(2, dask_key_name="my-key"), serverless)
    assert str(caught.value) == "at the bottom"
    (note,) = caught.value.__notes__
    assert "deep" in note
    assert "'my-key'" in note
    assert "container" in note


def test_the_traceback_has_the_frames_of_the_user_with_their_lines(serverless):
    with pytest.raises(ValueError) as caught:
        compute(delayed(deep)(2), serverless)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [f.name for f in frames].count("deep") == 3
    last = frames[-1]
    assert (last.filename, last.line) == (__file__, 'raise ValueError("at the bottom")')
    shown = "".join(traceback.format_exception(caught.value))
    assert "execute.py" not in shown


def test_an_exception_from_the_middle_of_a_graph_is_the_error_of_the_compute(serverless):
    bad = delayed(raises)(KeyError("x"), dask_key_name="bad")
    total = delayed(sum)([delayed(int)(i) for i in range(50)] + [bad])
    with pytest.raises(KeyError, match="x") as caught:
        compute(total, serverless)
    assert "'bad'" in caught.value.__notes__[0]


def test_an_exception_keeps_its_attributes(serverless):
    with pytest.raises(Wide) as caught:
        compute(delayed(raises)(Wide(1, "two")), serverless)
    assert (caught.value.first, caught.value.second) == (1, "two")


def test_an_exception_whose_constructor_differs_arrives_as_itself(serverless):
    def task():
        raise Picky(7, reason="odd")

    with pytest.raises(Picky, match="7: odd") as caught:
        compute(delayed(task)(), serverless)
    assert caught.value.code == 7


def test_an_argument_of_an_exception_that_does_not_pickle_is_named(serverless):
    def task():
        raise ValueError("held", threading.Lock())

    with pytest.raises(ValueError, match=r"'held', <unlocked _thread.lock") as caught:
        compute(delayed(task)(), serverless)
    assert "argument 1" in "".join(caught.value.__notes__)


def test_an_exception_that_can_not_be_shown_is_no_crash(serverless):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no")

        def __reduce__(self):
            raise RuntimeError("no")

    def task():
        raise Mute

    with pytest.raises(Mute):
        compute(delayed(task)(), serverless)


def test_an_exception_of_a_module_that_containers_alone_have_can_be_caught_by_its_base(
    serverless, tmp_path
):
    (tmp_path / "only_there.py").write_text("class Theirs(KeyError):\n    pass\n")

    def task(folder):
        sys.path.append(folder)
        try:
            import only_there
        finally:
            sys.path.remove(folder)
        raise only_there.Theirs("x")

    with pytest.raises(KeyError) as caught:
        compute(delayed(task)(str(tmp_path)), serverless)
    assert isinstance(caught.value, ExceptionNotPicklable)
    assert (type(caught.value).__name__, str(caught.value)) == ("Theirs", "'x'")


def test_an_exception_group_arrives_whole(serverless):
    group = ExceptionGroup("several", [ValueError(1), KeyError(2)])
    with pytest.raises(ExceptionGroup) as caught:
        compute(delayed(raises)(group), serverless)
    assert [type(e) for e in caught.value.exceptions] == [ValueError, KeyError]


def test_stop_iteration_and_other_odd_types_arrive(serverless):
    for error in (
        StopIteration(3),
        asyncio.CancelledError("c"),
        UnicodeDecodeError("a", b"", 0, 1, "r"),
    ):
        with pytest.raises(type(error)):
            compute(delayed(raises)(error), serverless)


def test_a_message_with_lone_surrogates_arrives(serverless):
    with pytest.raises(ValueError, match="\\udcff"):
        compute(delayed(raises)(ValueError("\udcff")), serverless)


def test_an_exception_class_of_the_script_can_be_caught_there(tmp_path):
    output = run_script(
        tmp_path,
        """
        class Mine(Exception):
            pass
        def task():
            raise Mine("here")
        try:
            dask.compute(delayed(task)(), scheduler=Serverless(containers=1))
        except Mine as error:
            tell("caught", error)
        """,
    )
    assert output == "caught here\n"


# Tasks that want to end their process


@pytest.mark.parametrize("leave", [sys.exit, lambda: raises(KeyboardInterrupt()), exit, quit])
def test_a_task_that_wants_to_leave_is_told_off(serverless, leave):
    with pytest.raises(TaskExited, match="tried to end its container"):
        compute(delayed(lambda: leave())(), serverless)


def test_a_task_that_does_leave_is_lost_with_its_status():
    with Serverless(containers=2, attempts=2) as client:
        with pytest.raises(BundleLost, match="exited with status 3"):
            compute(delayed(os._exit)(3), client)
        assert compute(delayed(sum)([1]), client) == 1


def test_a_task_over_the_memory_limit_is_told_with_the_limit():
    def hungry():
        blocks = []
        for _ in range(100):
            blocks.append(b"x" * (8 << 20))
            time.sleep(0.005)
        time.sleep(60)
        return len(blocks)

    with Serverless(containers=1, attempts=1, memory="400 MiB") as client:
        assert compute(delayed(sum)([1]), client) == 1
        with pytest.raises(BundleLost, match="more than its limit of 400 MiB"):
            compute(delayed(hungry)(), client)
        assert compute(delayed(sum)([1]), client) == 1


# What does not pickle


class Unsendable:
    def __reduce__(self):
        raise TypeError("stays here")


def test_a_function_that_does_not_pickle_is_named(serverless):
    lock = threading.Lock()

    def uses_a_lock(x):
        return lock.locked() + x

    with pytest.raises(InputNotPicklable, match="my-task.*uses_a_lock.*pickle"):
        compute(delayed(uses_a_lock)(1, dask_key_name="my-task"), serverless)


def test_an_argument_that_does_not_pickle_is_named(serverless):
    with pytest.raises(InputNotPicklable, match="my-task.*Unsendable.*stays here"):
        graph = {"my-task": (type, Unsendable())}
        serverless(graph, "my-task")


def test_a_result_that_does_not_pickle_is_named(serverless):
    with pytest.raises(ResultNotPicklable, match="lambda returned.*generator"):
        compute(delayed(lambda: (i for i in range(3)))(), serverless)


def test_a_result_that_does_not_pickle_may_be_used_in_the_same_bundle(serverless):
    lines = delayed(iter)([1, 2, 3])
    assert compute(delayed(sum)(lines), serverless) == 6


def test_a_result_that_does_not_unpickle_here_says_so(serverless):
    class Trap:
        def __reduce__(self):
            return raises, (RuntimeError("not here"),)

    with pytest.raises(RuntimeError, match="not here") as caught:
        compute(delayed(Trap)(dask_key_name="my-task"), serverless)
    assert "result of Trap for the key 'my-task'" in caught.value.__notes__[-1]


class Trap:
    """Pickles, and unpickles at the client alone."""

    def __reduce__(self):
        return there, (os.getpid(),)

    def __call__(self, x):
        return x

    def __name__(self):
        raise RuntimeError("no name")


def there(pid):
    if os.getpid() != pid:
        raise ModuleNotFoundError("No module named 'client_only'")
    return Trap()


def test_an_argument_that_does_not_unpickle_there_names_key_and_function(serverless):
    graph = {"x": (abs, -1), "my-task": (type, Trap())}
    with pytest.raises(ModuleNotFoundError, match="client_only") as caught:
        serverless(graph, ["x", "my-task"])
    assert "argument of type for the key 'my-task'" in caught.value.__notes__[-1]


def test_a_large_argument_that_does_not_unpickle_there_names_key_and_function(serverless):
    graph = {f"y{i}": (len, [Trap(), b"x" * 300_000, i]) for i in range(4)}
    with pytest.raises(ModuleNotFoundError, match="client_only") as caught:
        serverless(graph, list(graph))
    assert "argument of len for the key 'y" in caught.value.__notes__[-1]


def test_a_function_that_does_not_unpickle_there_is_named_with_a_key(serverless):
    graph = {"x": (abs, -1), "y": (partial(Trap(), 1),), "z": (len, [])}
    with pytest.raises(ModuleNotFoundError, match="client_only") as caught:
        serverless(graph, ["x", "y", "z"])
    assert "unpickling the function" in caught.value.__notes__[-1]
    assert "for the key 'y'" in caught.value.__notes__[-1]


class Elsewhere:
    """What one container made, while another comes, and no other can take."""

    def __init__(self):
        time.sleep(0.2)

    def __reduce__(self):
        return there, (os.getpid(),)


def test_an_input_that_does_not_unpickle_there_names_both_keys(serverless):
    graph = {f"x{i}": (Elsewhere,) for i in range(8)}
    graph |= {f"y{i}": (wait_and_see, f"x{i}", f"x{(i + 1) % 8}") for i in range(8)}
    client = serverless.options(planner="wukong")
    with pytest.raises(ModuleNotFoundError) as caught:
        client({**graph, "z": (len, [f"y{i}" for i in range(8)])}, "z")
    assert re.search("input of wait_and_see, made by the key 'x.', for the key 'y.'",
                     caught.value.__notes__[-1])  # fmt: skip


def wait_and_see(*values):
    return 1


# Results


def test_a_result_larger_than_the_limit_is_refused():
    with Serverless(containers=1, result_limit="1 MB") as client:
        with pytest.raises(ResultTooLarge, match="result_limit"):
            compute(delayed(np.zeros)(10**6), client)
        assert compute(delayed(np.zeros)(10), client).shape == (10,)


# Things that need shared memory


def test_storing_into_numpy_writes_into_the_clients_array(serverless):
    target = np.zeros((4, 4))
    x = da.ones((4, 4), chunks=2)
    da.store(x + 1, target, scheduler=serverless)
    assert (target == 2).all()
    stored = da.store(x + 2, target, return_stored=True, scheduler=serverless)
    stored = stored[0] if isinstance(stored, tuple) else stored
    assert (stored.compute(scheduler=serverless) == 3).all()
    assert (target == 3).all()


def test_storing_into_files_works(serverless, tmp_path):
    target = np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=float, shape=(4, 4))

    class File:
        path = str(tmp_path / "a.npy")
        shape, dtype = (4, 4), np.dtype(float)

        def __setitem__(self, index, value):
            np.lib.format.open_memmap(self.path, mode="r+")[index] = value

    da.store(da.ones((4, 4), chunks=2), File(), scheduler=serverless)
    assert target.sum() == 16


def counted(path, lock, times):
    """Reads, waits and writes back: without a lock, counts get lost."""
    for _ in range(times):
        with lock:
            value = int(path.read_text())
            time.sleep(0.001)
            path.write_text(str(value + 1))


def test_a_lock_holds_across_containers(serverless, tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    lock = SerializableLock("a name")
    compute([delayed(counted)(path, lock, 20) for _ in range(6)], serverless)
    assert path.read_text() == "120"


def test_a_lock_in_a_class_or_partial_holds_too(serverless, tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    lock = SerializableLock()

    def closure(times):
        return counted(path, lock, times)

    compute([delayed(closure)(10) for _ in range(4)], serverless)
    assert path.read_text() == "40"


# Keywords and settings


def test_unknown_keywords_are_refused_with_what_was_meant(serverless):
    with pytest.raises(TypeError, match="did you mean 'containers'"):
        Serverless(container=3)
    with pytest.raises(TypeError, match="no keyword 'num_worker'; did you mean 'num_workers'"):
        compute_with = {"num_worker": 3}
        dask.compute(delayed(sum)([1]), scheduler=serverless, **compute_with)


def test_keywords_of_other_schedulers_are_taken(serverless):
    assert dask.compute(delayed(sum)([1]), scheduler=serverless, num_workers=1, pool=None) == (1,)


# The store


def test_a_store_that_nobody_answers_for_is_named(monkeypatch):
    monkeypatch.setattr("dask_serverless.store.link.NETWORK_PATIENCE_SECONDS", 0.1)
    client = Serverless(store="redis://127.0.0.1:1/0")
    try:
        with pytest.raises(StoreUnreachable, match="127.0.0.1:1.*DASK_SERVERLESS__STORE"):
            compute(delayed(sum)([1]), client)
    finally:
        client.close()


def test_a_store_that_evicts_is_refused(store_url, link):
    from dask_serverless.store import connect

    link.call(("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))
    connect._checked.pop(store_url, None)
    client = Serverless(store=store_url, containers=1)
    try:
        with pytest.raises(StoreEvicts, match="noeviction"):
            compute(delayed(sum)([1]), client)
        link.call(("CONFIG", "SET", "maxmemory-policy", "noeviction"))
        assert compute(delayed(sum)([1]), client) == 1
    finally:
        link.call(("CONFIG", "SET", "maxmemory-policy", "noeviction"))
        client.close()


def test_a_full_store_is_said(store_url, link):
    client = Serverless(store=store_url, containers=1)
    try:
        assert compute(delayed(sum)([1]), client) == 1
        link.call(("CONFIG", "SET", "maxmemory", "1"))
        with pytest.raises(errors.StoreError, match="maxmemory"):
            compute(delayed(sum)([1]), client)
    finally:
        link.call(("CONFIG", "SET", "maxmemory", "0"))
        client.close()


def test_a_store_that_has_no_room_for_an_output_is_said(store_url, link):
    with Serverless(store=store_url, containers=1, attempts=2, inline_bytes=1 << 30) as client:
        assert compute(delayed(sum)([1]), client) == 1
        try:
            used = int(link.call(("INFO", "memory"))[0].split(b"used_memory:")[1].split()[0])
            link.call(("CONFIG", "SET", "maxmemory", used + (4 << 20)))
            begun = time.monotonic()
            with pytest.raises(errors.StoreFull, match="maxmemory") as caught:
                compute(delayed(bytes)(8 << 20, dask_key_name="my-task"), client)
        finally:
            link.call(("CONFIG", "SET", "maxmemory", "0"))
        assert time.monotonic() - begun < 10
        assert "'my-task'" in "".join(caught.value.__notes__)


# Versions


def test_another_dask_on_the_other_side_is_refused(serverless, monkeypatch):
    pack = Header.pack

    def older(self):
        object.__setattr__(self, "dask", "2024.1.0")
        return pack(self)

    monkeypatch.setattr(Header, "pack", older)
    with pytest.raises(errors.VersionsDiffer, match="Dask 2024.1.0"):
        compute(delayed(sum)([1]), serverless)


def test_another_python_on_the_other_side_is_refused(serverless, monkeypatch):
    pack = Header.pack

    def older(self):
        object.__setattr__(self, "python", "3.9.1")
        return pack(self)

    monkeypatch.setattr(Header, "pack", older)
    with pytest.raises(errors.VersionsDiffer, match=r"Python 3.9"):
        compute(delayed(sum)([1]), serverless)


def test_a_header_of_another_release_is_refused_and_not_a_type_error(serverless, monkeypatch):
    pack = Header.pack

    def newer(self):
        return msgpack.packb({**msgpack.unpackb(pack(self)), "news": 1, "release": "9.0"})

    monkeypatch.setattr(Header, "pack", newer)
    with pytest.raises(errors.VersionsDiffer, match=r"dask-serverless 9.0"):
        compute(delayed(sum)([1]), serverless)


# The errors themselves


def all_errors(kind=ServerlessError):
    for child in kind.__subclasses__():
        yield child
        yield from all_errors(child)


@pytest.mark.parametrize("kind", sorted(set(all_errors()), key=lambda kind: kind.__name__))
def test_every_error_survives_pickling_with_its_data_and_message(kind):
    values = {"url": "redis://h", "missing": ["x"], "story": [("c", "why")]}
    count = kind.__init__.__code__.co_argcount - 1
    names = kind.__init__.__code__.co_varnames[1 : count + 1]
    numbers = ("tries", "tasks", "nbytes", "limit", "task")
    arguments = [values.get(n, 3 if n in numbers else [n] if n == "folders" else n) for n in names]
    error = kind(*arguments)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind is getattr(errors, kind.__name__)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert kind.__doc__


def test_a_failure_is_readable_without_python():
    packed = pack_failure(ValueError("x"), Blame("running", 3, 0), container="c", bundle=2)
    what, details = msgpack.unpackb(packed)
    [raised] = details["chain"]
    assert (what, raised["kind"], raised["text"]) == ("raised", "ValueError", "x")
    assert details["blame"]["task"] == 3


# Blobs that are gone


def spoil(folder, how, *values):
    """Does what a cleaned folder or a full disk does to what a run has stored there."""
    for path in Path(folder).glob("*/*"):
        if how == "removed":
            path.unlink()
        else:
            os.truncate(path, 100_000)


@pytest.mark.parametrize("how", ["removed", "cut off"])
def test_a_stored_result_that_is_gone_is_named_with_its_key(how):
    with Serverless(containers=2, planner="simple") as client:
        folder = client._engine.folders.paths[0]
        graph = {"x": (np.ones, 100_000), "w": (np.ones, 1), "gap": (spoil, folder, how, "x", "w")}
        with pytest.raises(BlobLost, match="of the key 'x'"):
            client(graph, ["x", "gap"])


@pytest.mark.parametrize("how", ["removed", "cut off"])
def test_a_stored_input_that_is_gone_is_named_with_both_keys(how):
    with Serverless(containers=1, planner="simple") as client:
        folder = client._engine.folders.paths[0]
        graph = {"x": (np.ones, 100_000), "gap": (spoil, folder, how, "x"), "y": (max, "x", "gap")}
        with pytest.raises(BlobLost, match="of the key 'x'") as caught:
            client(graph, "y")
        assert "max, made by the key 'x', for the key 'y'" in caught.value.__notes__[-1]


# Planners


class OutOfTime:
    """A planner whose goal cannot be met."""

    name = "out of time"
    possible = Prediction(12.0, 0.5, 24.0, 3, 4000)

    def plan(self, dag, resources):
        raise GoalError("the deadline of 1 s", self.possible, self.possible, "uniform", "wukong")


def test_what_a_planner_refuses_reaches_the_user_with_its_data():
    with (
        Serverless(containers=1, planner=OutOfTime()) as client,
        pytest.raises(PlanRefused, match="planner 'out of time': no plan meets") as caught,
    ):
        compute(delayed(abs)(-1), client)
    for refused in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert isinstance(refused.reason, GoalError)
        assert refused.reason.planner == "out of time"
        assert refused.reason.fastest == OutOfTime.possible
        assert refused.reason.fastest_by == "uniform"


def test_an_unknown_planner_is_named_with_the_closest_that_is_known():
    with pytest.raises(PlanRefused, match="Did you mean 'structural'") as caught:
        Serverless(planner="structural ")
    assert caught.value.reason.planner == "structural "


def test_an_unknown_planner_is_one_error_and_no_chain_of_them():
    with pytest.raises(PlanRefused) as caught:
        Serverless(planner="structurl")
    assert caught.value.__suppress_context__ and caught.value.__cause__ is None


def test_where_dask_leaves_its_frames_out_ours_are_left_out(serverless):
    def fail():
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as caught:
        delayed(fail)().compute(scheduler=serverless)
    ours = [
        f for f in traceback.extract_tb(caught.tb) if f"{os.sep}dask_serverless{os.sep}" in f[0]
    ]
    assert not ours
    with dask.config.set({"admin.traceback.shorten": []}), pytest.raises(ValueError) as caught:
        delayed(fail)().compute(scheduler=serverless)
    assert any("raise_here" == frame.name for frame in traceback.extract_tb(caught.tb))
