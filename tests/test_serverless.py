"""What users do, through Serverless with real containers."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from awaiting import eventually
from clients import Client, run_script
from dask import delayed

import dask_serverless
from dask_serverless import Serverless
from dask_serverless.errors import SettingsError
from dask_serverless.store.connect import open_link


def compute(*values, client, **options):
    return dask.compute(*values, scheduler=client, **options)


@pytest.fixture(autouse=True)
def nothing_is_left(serverless):
    """Of this test: what one of another file left is not its fault."""
    with open_link(serverless._engine.url) as link:
        before = keys(link)
        yield
        left = gone_within(30.0, lambda: keys(link) - before)
    assert not left
    assert [os.listdir(path) for path in serverless._engine.folders.paths] == [[], []]


def keys(link):
    return {key for key in link.call(("KEYS", "ds:*"))[0] if b":lock:" not in key}


def gone_within(seconds, look):
    """What is still there after that time."""
    deadline = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


# Collections


def test_arrays(serverless):
    x = da.random.default_rng(1).random((400, 400), chunks=(100, 100))
    value = (x + x.T).sum(axis=0).mean()
    (found,) = compute(value, client=serverless)
    assert np.isclose(found, value.compute(scheduler="sync"))


def test_dataframes(serverless):
    frame = pd.DataFrame({"a": np.arange(100) % 7, "b": np.arange(100.0), "c": ["x", "yy"] * 50})
    df = dd.from_pandas(frame, npartitions=5)
    (found,) = compute(df.groupby("a").b.mean(), client=serverless)
    pd.testing.assert_series_equal(found.sort_index(), frame.groupby("a").b.mean())
    (whole,) = compute(df, client=serverless)
    pd.testing.assert_frame_equal(whole, frame, check_dtype=False)


def test_a_shuffle_outside_of_our_context(serverless):
    """Dask chooses the disk shuffle there; its tasks are replaced."""
    frame = pd.DataFrame({"a": np.arange(40) % 4, "b": np.arange(40)})
    df = dd.from_pandas(frame, npartitions=4)
    (found,) = compute(df.shuffle("a", shuffle_method="disk"), client=serverless)
    assert sorted(found.b) == list(range(40))


def test_bags(serverless):
    bag = db.from_sequence(range(100), npartitions=7)
    (counts,) = compute(bag.map(lambda n: n % 3).frequencies(), client=serverless)
    assert dict(counts) == {0: 34, 1: 33, 2: 33}
    (groups,) = compute(bag.groupby(lambda n: n % 5), client=serverless)
    assert {key: len(values) for key, values in groups} == dict.fromkeys(range(5), 20)


def test_several_collections_at_once_in_their_order_and_nesting(serverless):
    x = da.ones(10, chunks=5)
    values = compute(x.sum(), {"a": [x.max(), 3]}, "text", (x.min(),), client=serverless)
    assert values == (10.0, {"a": [1.0, 3]}, "text", (1.0,))


def test_persist_keeps_a_collection_that_can_be_computed_on(serverless):
    x = da.arange(100, chunks=10) + 1
    kept = x.persist(scheduler=serverless)
    assert compute(kept.sum(), client=serverless) == (5050,)


def test_get_takes_plain_graphs_with_nested_and_single_keys(serverless):
    graph = {"a": 1, "b": (sum, ["a", 2, (max, 3, "a")]), ("c", 0): (lambda x: -x, "b")}
    assert serverless.get(graph, ["b", [("c", 0), ["a"]]]) == (6, (-6, (1,)))
    assert serverless(graph, ("c", 0)) == -6
    assert serverless(graph, []) == ()


def test_coroutine_functions_run_to_their_end(serverless):
    async def double(x):
        await asyncio.sleep(0)
        return 2 * x

    assert compute(delayed(sum)([delayed(double)(i) for i in range(4)]), client=serverless) == (12,)


def test_a_task_may_write_into_its_input_without_changing_it_for_others(serverless):
    def ruin(array):
        array[:] = -1
        return float(array.sum())

    array = delayed(np.ones)(50_000)
    ruined = [delayed(ruin)(array) for _ in range(6)]
    kept = delayed(lambda a: float(a.sum()))(array)
    with dask.config.set({"optimization.fuse.active": False}):
        *sums, kept = compute(*ruined, kept, client=serverless)
    assert sums == [-50_000.0] * 6
    assert kept in (50_000.0, -50_000.0)  # in one bundle, tasks share values, as in Dask itself


def test_a_result_may_be_written_to(serverless):
    for size in (10, 100_000):
        (array,) = compute(delayed(np.zeros)(size), client=serverless)
        array[:] = 1
        assert array.sum() == size


def test_a_task_may_compute_with_dask_itself(serverless):
    def inner(n):
        return int(da.ones(n, chunks=3).sum().compute()) + dask.compute(delayed(sum)([n]))[0]

    assert compute([delayed(inner)(n) for n in (4, 9)], client=serverless) == ([8, 18],)


def test_a_task_may_get_the_scheduler_itself_as_an_argument(serverless):
    def inner(scheduler):
        return dask.compute(delayed(sum)([1, 2]), scheduler=scheduler)

    function = delayed(lambda: inner(serverless))
    assert compute(function(), client=serverless) == ((3,),)


def test_a_copied_configuration_still_computes_with_the_object(serverless):
    view = serverless.options(attempts=2)
    assert [copy.copy(serverless), *copy.deepcopy([serverless, view])] == [
        serverless,
        serverless,
        view,
    ]


def test_in_another_process_that_is_no_container_it_says_that_it_computes_there(serverless):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it may come with a configuration that nobody uses there
        elsewhere = pickle.loads(pickle.dumps(serverless))
    with pytest.warns(UserWarning, match=r"Make another Serverless\(\)"):
        assert elsewhere({"x": (sum, [1, 2])}, "x") == 3


def test_the_class_as_a_scheduler_is_told_off():
    with pytest.raises(TypeError, match=r"scheduler=Serverless\(\)"):
        delayed(sum)([1, 2]).compute(scheduler=Serverless)


def test_a_setting_that_is_changed_later_is_told_off(serverless):
    for told in (serverless, serverless.options(attempts=2)):
        with pytest.raises(SettingsError, match=r"options\(containers="):
            told.containers = 3
        with pytest.raises(SettingsError, match=r"options\(planner="):
            told.planner = "wukong"


def test_the_working_folder_of_the_client_is_that_of_the_tasks(serverless, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data.txt").write_text("here")
    assert compute(delayed(lambda: Path("data.txt").read_text())(), client=serverless) == ("here",)
    compute(delayed(lambda: Path("out.txt").write_text("there"))(), client=serverless)
    assert (tmp_path / "out.txt").read_text() == "there"


def test_modules_beside_the_script_are_found(serverless, tmp_path, monkeypatch):
    (tmp_path / "beside_the_script.py").write_text("def f(x):\n    return x + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import beside_the_script  # type: ignore[import-not-found]

    assert compute(delayed(beside_the_script.f)(1), client=serverless) == (2,)


def test_containers_do_not_draw_the_same_random_numbers(serverless):
    draws = [delayed(lambda i: (np.random.random(), os.getpid()))(i) for i in range(40)]
    (found,) = compute(draws, client=serverless)
    assert len({number for number, _ in found}) == 40


def test_environment_holds_blas_to_the_share_of_a_container(serverless):
    (found,) = compute(delayed(lambda: os.environ["OMP_NUM_THREADS"])(), client=serverless)
    assert int(found) <= max(1, os.cpu_count() // 2)


# Who calls, and how often at once


def test_in_a_thread(serverless):
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(compute, delayed(sum)([1, 2]), client=serverless)
        assert future.result(30) == (3,)


def test_several_threads_at_once_do_not_disturb_each_other(serverless):
    def one(n):
        x = da.full((60, 60), n, chunks=20)
        return compute((x + x.T).sum(), client=serverless)[0]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, range(18))) == [2 * n * 3600 for n in range(18)]


def test_an_error_in_one_thread_leaves_the_others_alone(serverless):
    def one(n):
        try:
            return compute([delayed(lambda i: i // n)(i) for i in range(20)], client=serverless)[0]
        except ZeroDivisionError:
            return "failed"

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, [0, 1, 0, 2, 0, 1]))
    assert [f == "failed" for f in found] == [True, False, True, False, True, False]
    assert found[3] == [i // 2 for i in range(20)]


def test_two_clients_at_once(serverless):
    with Serverless(containers=1) as other:
        with ThreadPoolExecutor(2) as pool:
            sums = [
                pool.submit(compute, delayed(sum)([delayed(int)(i) for i in range(30)]), client=c)
                for c in (serverless, other)
            ]
        assert [f.result() for f in sums] == [(435,), (435,)]
    assert compute(delayed(sum)([1]), client=serverless) == (1,)


def test_many_computes_leave_no_connections_behind(serverless):
    value = delayed(sum)([1, 2])
    for _ in range(5):
        compute(value, client=serverless)
    with open_link(serverless._engine.url) as link:
        before = len(link.call(("CLIENT", "LIST"))[0].splitlines())
        for _ in range(30):
            compute(value, client=serverless)
        after = len(link.call(("CLIENT", "LIST"))[0].splitlines())
    assert after <= before + 2


TWO_CLIENTS = """
    s = Serverless(containers=1)
    values = [delayed(lambda i: i * {factor})(i) for i in range(100)]
    tell(sum(dask.compute(values, scheduler=s)[0]))
    s.close()
"""


def test_two_processes_on_one_store(tmp_path, store_url, link):
    environment = {"DASK_SERVERLESS__STORE": store_url}
    with (
        Client(tmp_path, TWO_CLIENTS.format(factor=2), **environment) as first,
        Client(tmp_path, TWO_CLIENTS.format(factor=3), **environment) as second,
    ):
        assert first.finish() == "9900\n"
        assert second.finish() == "14850\n"
    assert link.call(("KEYS", "*")) == [[]]


# The object


def test_inside_the_context_it_is_the_default_and_outside_no_more():
    method = dask.config.get("dataframe.shuffle.method", None)
    scheduler = dask.config.get("scheduler", None)
    with Serverless(containers=1) as client:
        assert dask.config.get("scheduler") is client
        assert dask.config.get("dataframe.shuffle.method") == (method or "tasks")
        pid = delayed(os.getpid)().compute()
        assert pid != os.getpid()
    assert dask.config.get("dataframe.shuffle.method", None) == method
    assert dask.config.get("scheduler", None) is scheduler


def test_a_shuffle_method_that_the_user_chose_stays():
    with dask.config.set({"dataframe.shuffle.method": "disk"}), Serverless(containers=1):
        assert dask.config.get("dataframe.shuffle.method") == "disk"


def test_an_error_inside_the_context_restores_the_default_too():
    with pytest.raises(KeyError), Serverless(containers=1):
        raise KeyError
    assert not isinstance(dask.config.get("scheduler", None), Serverless)


def test_contexts_of_one_client_may_be_nested():
    client = Serverless(containers=1)
    with client:
        with client:
            pass
        assert dask.config.get("scheduler") is client
        assert delayed(sum)([1]).compute() == 1


def test_a_closed_client_starts_again_when_it_is_used():
    client = Serverless(containers=1)
    assert compute(delayed(sum)([1]), client=client) == (1,)
    client.close()
    client.close()
    assert compute(delayed(sum)([2]), client=client) == (2,)
    client.close()


def test_close_leaves_no_container_and_no_folder():
    client = Serverless(containers=2)
    compute([delayed(np.ones)(10_000) for _ in range(4)], client=client)
    process, folders = client._engine.backend.process, client._engine.folders.paths
    client.close()
    assert process.poll() is not None
    assert not any(map(os.path.exists, folders))


def test_the_ready_made_instance_is_one_of_its_kind():
    assert repr(dask_serverless.serverless) == "serverless"
    assert isinstance(dask_serverless.serverless, Serverless)


def test_the_report_of_the_last_run(serverless):
    compute(delayed(sum)([delayed(np.ones)(20_000) for _ in range(4)]), client=serverless)
    report = serverless.last_run
    assert report.tasks >= 5
    assert 1 <= report.bundles <= report.tasks
    assert sum(c["bundles"] for c in report.containers.values()) == report.bundles
    assert 0 < report.makespan_seconds < report.wall_seconds
    assert report.store_calls > 0
    assert "containers" in str(report)


def test_containers_leave_after_an_idle_time():
    with Serverless(containers=2, idle_seconds=0.2) as client:
        from clients import children

        compute([delayed(sum)([i]) for i in range(4)], client=client)
        nursery = client._engine.backend.process.pid
        eventually(lambda: not children(nursery))
        assert compute(delayed(sum)([1]), client=client) == (1,)


# Settings that change how data travels


@pytest.mark.parametrize(
    "settings",
    [
        {"inline_bytes": 0},
        {"compression": "lz4", "inline_bytes": 100},
        {"planner": "wukong", "inline_bytes": 1000},
        {"planner": "simple"},
    ],
    ids=str,
)
def test_settings_change_how_and_not_what(settings):
    x = da.arange(40_000, chunks=5_000) % 97
    y = x.reshape(200, 200)
    value = (y @ y.T).sum() + x.std()
    expected = value.compute(scheduler="sync")
    with Serverless(containers=2, **settings) as client:
        assert np.isclose(compute(value, client=client)[0], expected)
        assert [os.listdir(path) for path in client._engine.folders.paths] == [[], []]


def test_large_outputs_at_a_url(tmp_path):
    x = da.arange(80_000, chunks=10_000)
    with Serverless(containers=2, blobs=f"file://{tmp_path}", inline_bytes=100) as client:
        (found,) = compute(x[::-1] + x, client=client)
        assert (found == 79_999).all()
        assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_to_is_no_fault_of_a_result(tmp_path):
    (tmp_path / "file").write_text("in the way")
    told = {"blobs": f"file://{tmp_path}/file/folder", "inline_bytes": 100}
    x = da.arange(80_000, chunks=10_000)
    with Serverless(containers=2, planner="simple", **told) as client:
        with pytest.raises(SettingsError, match="setting blobs .*cannot be written to"):
            compute(x[::-1] + x, client=client)


# Scripts


def test_the_snippet_of_the_readme_in_a_plain_script(tmp_path):
    output = run_script(
        tmp_path,
        """
        import dask.array as da
        serverless = Serverless()
        x = da.ones((400, 400), chunks=(100, 100))
        tell(dask.compute((x + x.T).sum(axis=0).mean(), scheduler=serverless))
        with Serverless() as s:
            tell(x.sum().compute())
        """,
    )
    assert "800.0" in output and "160000.0" in output


def test_the_ready_made_instance_in_a_plain_script(tmp_path):
    source = """
    from dask_serverless import serverless
    def double(x):
        return 2 * x
    tell(dask.compute(delayed(double)(4), scheduler=serverless)[0])
    dask.config.set(scheduler=serverless)
    tell(delayed(double)(5).compute())
    """
    assert run_script(tmp_path, source).split() == ["8", "10"]


def test_classes_of_the_script_come_back_as_themselves(tmp_path):
    source = """
    from dataclasses import dataclass
    @dataclass
    class Point:
        x: int
    def move(point):
        return Point(point.x + 1)
    (found,) = dask.compute(delayed(move)(Point(1)), scheduler=Serverless(containers=1))
    tell(isinstance(found, Point), found == Point(2))
    """
    assert run_script(tmp_path, source) == "True True\n"


def test_named_tuples_of_the_script_travel(tmp_path):
    """Their slots are written by NamedTuple, which let no container make the class again."""
    source = """
    from typing import NamedTuple
    class Point(NamedTuple):
        x: int
        y: int = 2
        def moved(self):
            return self._replace(x=self.x + 1)
    class Further(Point):
        __slots__ = ()
    s = Serverless(containers=1)
    for kind in (Point, Further):
        found = delayed(kind.moved)(delayed(kind)(1)).compute(scheduler=s)
        tell(found, type(found) is kind, hasattr(found, "__dict__"))
    """
    assert run_script(tmp_path, source).splitlines() == [
        "Point(x=2, y=2) True False",
        "Further(x=2, y=2) True False",
    ]


def test_classes_of_the_script_keep_their_slots(tmp_path):
    """What a container made had a __dict__ instead, which no instance takes at the client."""
    source = """
    import enum
    from dataclasses import dataclass
    @dataclass(slots=True)
    class Point:
        x: int
    class Hidden:
        __slots__ = ("__x", "never", "__weakref__")
        def __init__(self, x):
            self.__x = x
        x = property(lambda self: self.__x)
    class Both(Hidden):
        __slots__ = "y", "__dict__"
        def __init__(self, x):
            super().__init__(x)
            self.y, self.z = x, x
    class Empty(Hidden):
        __slots__ = ()
    class Emptier(Empty):
        __slots__ = ()
    class Colour(str, enum.Enum):
        __slots__ = ()
        x = "x"
    class Refused(Exception):
        __slots__ = ("x",)
        def __init__(self, x):
            self.x = x
    def move(point):
        return type(point)(point.x + 1)
    def refuse(point):
        raise Refused(point.x)
    s = Serverless(containers=1)
    points = [kind(1) for kind in (Point, Hidden, Both, Empty, Emptier)]
    found = dask.compute([delayed(move)(point) for point in points], scheduler=s)[0]
    tell(*[type(point).__name__ for point in found])
    tell(*[point.x for point in found], found[2].y, found[2].z)
    tell(hasattr(found[1], "never"), hasattr(found[0], "__dict__"))
    tell(*dask.compute(delayed(Colour)("x").name, delayed(Refused)(2).x, scheduler=s))
    tell(delayed(lambda p: hasattr(p, "__dict__"))(points[0]).compute(scheduler=s))
    try:
        delayed(refuse)(points[0]).compute(scheduler=s)
    except Refused as error:
        tell(error.x, "x" in vars(error))
    """
    assert run_script(tmp_path, source).splitlines() == [
        "Point Hidden Both Empty Emptier",
        "2 2 2 2 2 2 2",
        "False False",
        "x 2",
        "False",
        "1 False",
    ]


def test_decorated_functions_of_the_script(tmp_path):
    """A cache pickles as a name in __main__, and a cached property with its lock (to Python 3.11)."""
    source = """
    import functools, random
    @functools.lru_cache(maxsize=7)
    def drawn(x):
        return random.random()
    @functools.cache
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
    class Model:
        @functools.cached_property
        def half(self):
            return 0.5
        @functools.lru_cache
        def scaled(self, x):
            return x * self.half
    @functools.singledispatch
    def kind(value):
        return "any"
    @kind.register
    def of_int(value: int):
        return "int"
    def twice():
        return drawn(1) == drawn(1), drawn.cache_info().hits, drawn.cache_parameters()["maxsize"]
    def around():
        inner = functools.lru_cache(lambda x: x + 1)
        return inner
    drawn(1), kind(2)
    s = Serverless(containers=1)
    tell(*delayed(twice)().compute(scheduler=s))
    tell(*dask.compute(delayed(fibonacci)(50), delayed(lambda: fibonacci(9))(), scheduler=s))
    tell(*dask.compute(delayed(Model.scaled)(Model(), 4), delayed(Model().scaled)(6), scheduler=s))
    tell(*dask.compute(delayed(kind)(3), delayed(kind)("a"), delayed(kind)(True), scheduler=s))
    back = delayed(around)().compute(scheduler=s)
    tell(back(1), back(1), back.cache_info().hits, fibonacci.__name__)
    """
    assert run_script(tmp_path, source).splitlines() == [
        "True 1 7",
        "12586269025 34",
        "2.0 3.0",
        "int any int",
        "2 2 1 fibonacci",
    ]


def test_entries_of_the_import_path_that_are_no_text(tmp_path):
    """Python passes over them; a message to other processes cannot hold them."""
    source = """
    from pathlib import Path
    sys.path[:0] = [Path("mine")]
    sys.path += [3, b"bytes", None]
    s = Serverless(containers=1)
    tell(dask.compute(delayed(sum)([1, 2]), scheduler=s)[0])
    """
    assert run_script(tmp_path, source) == "3\n"


def test_what_tasks_print_is_seen(tmp_path):
    source = """
    def say(i):
        print("task", i)
        sys.stderr.write("error\\n")
        return i
    dask.compute([delayed(say)(i) for i in range(3)], scheduler=Serverless(containers=2))
    """
    output = run_script(tmp_path, source, PYTHONUNBUFFERED="")
    assert sorted(output.split("\n")) == ["", "task 0", "task 1", "task 2"]


def test_a_fork_of_the_client_computes_on_its_own(tmp_path):
    source = """
    s = Serverless(containers=2)
    tell(dask.compute(delayed(sum)([1, 2]), scheduler=s)[0])
    child = os.fork()
    tell(dask.compute(delayed(sum)([child > 0, 2]), scheduler=s)[0])
    if child:
        assert os.waitpid(child, 0)[1] == 0
        tell(dask.compute(delayed(sum)([7]), scheduler=s)[0])
    """
    with Client(tmp_path, source) as script:
        assert sorted(script.finish().split()) == ["2", "3", "3", "7"]
        eventually(lambda: not script.left())
        eventually(lambda: not list(script.temporary.iterdir()))


def test_in_the_interactive_interpreter(tmp_path):
    """Functions typed there have no file."""
    typed = (
        "import dask\nfrom dask_serverless import Serverless\n"
        "def f(x):\n    return x + 1\n\n"
        "dask.compute(dask.delayed(f)(1), scheduler=Serverless(containers=1))\n"
    )
    root = str(Path(dask_serverless.__file__).parent.parent)
    result = subprocess.run(
        [sys.executable, "-i", "-q"],
        input=typed,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        check=True,
    )
    assert "(2,)" in result.stdout, result.stderr


def test_under_multiprocessing_with_fork(tmp_path):
    source = """
    import multiprocessing
    s = Serverless(containers=1)
    def job(n):
        return dask.compute(delayed(sum)([n, 1]), scheduler=s)[0]
    if __name__ == "__main__":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            tell(pool.map(job, range(4)))
    """
    with Client(tmp_path, source) as script:
        assert script.finish() == "[1, 2, 3, 4]\n"
        eventually(lambda: not script.left())


def test_threads_of_the_client_do_not_matter(serverless):
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert compute(delayed(sum)([1]), client=serverless) == (1,)
    stop.set()
    thread.join()


def test_the_ready_made_instance_by_its_name(tmp_path):
    source = """
    tell(delayed(os.getpid)().compute(scheduler="serverless") != os.getpid())
    with dask.config.set(scheduler="serverless"):
        tell(delayed(os.getpid)().compute() != os.getpid())
    """
    assert run_script(tmp_path, source).split() == ["True", "True"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_in_processes_that_are_spawned(tmp_path, method):
    """To them the main script is another module, of which containers know nothing."""
    source = f"""
    import multiprocessing
    class Point:
        def __init__(self, x):
            self.x = x
        def moved(self):
            return Point(self.x + 1)
    def job(n):
        with Serverless(containers=1) as s:
            (point,) = dask.compute(delayed(Point)(n).moved(), scheduler=s)
            return isinstance(point, Point), point.x
    if __name__ == "__main__":
        with multiprocessing.get_context("{method}").Pool(1) as pool:
            tell(pool.map(job, [1, 2]))
    """
    assert run_script(tmp_path, source) == "[(True, 2), (True, 3)]\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_that_computes_while_a_spawned_process_imports_it(tmp_path, method):
    """What stands above its main guard runs there as well, when __main__ is not the script yet."""
    source = f"""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    class Point:
        def __init__(self, x):
            self.x = x
    with Serverless(containers=1) as s:
        (point,) = dask.compute(delayed(Point)(3), scheduler=s)
    def job(n):
        return isinstance(point, Point), point.x + n
    if __name__ == "__main__":
        with ProcessPoolExecutor(1, multiprocessing.get_context("{method}")) as pool:
            tell(pool.submit(job, 1).result())
    """
    assert run_script(tmp_path, source) == "(True, 4)\n"


def test_types_that_a_script_makes_for_its_annotations(tmp_path):
    source = """
    from collections.abc import Callable
    from typing import Generic, NewType, ParamSpec, TypeVar, TypeVarTuple, Unpack
    Number = NewType("Number", int)
    Given = ParamSpec("Given")
    Several = TypeVarTuple("Several")
    T = TypeVar("T")
    class Called(Generic[Given, T]):
        def __init__(self, function: Callable[Given, T]):
            self.function = function
        def __call__(self, *args: Given.args, **options: Given.kwargs) -> T:
            return self.function(*args, **options)
    def more(n: Number, *others: Unpack[Several]) -> Number:
        return Number(n + 1)
    with Serverless(containers=1) as s:
        found, annotations = dask.compute(
            delayed(Called(more))(Number(1)), delayed(lambda: more.__annotations__)(), scheduler=s
        )
    tell(found, annotations["n"].__supertype__)
    """
    assert run_script(tmp_path, source) == "2 <class 'int'>\n"


IMPORTED = """
from typing import Generic, NewType, TypeVar

import dask
from dask import delayed
from dask_serverless import Serverless

print("imported")

T = TypeVar("T")
Coordinate = NewType("Coordinate", int)

class Point(Generic[T]):
    def __init__(self, x: Coordinate):
        self.x = x

class Refused(ValueError):
    pass

def moved(point):
    if point.x == 7:
        raise Refused(point.x)
    return Point(point.x + 1)

s = Serverless(containers=2)
(found,) = dask.compute(delayed(moved)(Point(1)), scheduler=s)
print(isinstance(found, Point), found.x)
"""
LATER = """
    (found,) = dask.compute(delayed(mine.moved)(mine.Point(2)), scheduler=s)
    tell(isinstance(found, mine.Point), found.x)
    try:
        dask.compute(delayed(mine.moved)(mine.Point(7)), scheduler=s)
    except mine.Refused as refused:
        tell(refused)
"""


def test_a_module_that_computes_while_it_is_imported(tmp_path):
    """A container that imported it would compute that, too, and its own containers would, …"""
    (tmp_path / "mine.py").write_text(IMPORTED)
    source = "\n    import mine\n    s = mine.s" + LATER
    assert run_script(tmp_path, source).splitlines() == ["imported", "True 2", "True 3", "7"]


def test_a_package_that_computes_while_it_is_imported(tmp_path):
    """To import what is in a package is to import the package first."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "mine.py").write_text(IMPORTED.partition("s = ")[0])
    (tmp_path / "ours" / "__init__.py").write_text(
        "from ours.mine import *\ns = Serverless(containers=2)\n"
        "tasks = [delayed(lambda: ours.mine.Point)(), delayed(moved)(Point(1))]\n"
        "import ours\n"
        "kind, found = dask.compute(*tasks, scheduler=s)\n"
        "print(kind is Point, isinstance(found, Point), found.x)\n"
    )
    source = "\n    from ours import mine, s" + LATER
    assert run_script(tmp_path, source).splitlines() == ["imported", "True True 2", "True 3", "7"]


def test_threads_of_a_module_that_is_imported_meanwhile(tmp_path):
    """To pickle by name is to wait for the end of the import, which waits for the threads."""
    in_threads = """
from concurrent.futures import ThreadPoolExecutor

def compute(x):
    return dask.compute(delayed(moved)(Point(x)), scheduler=s)[0].x

with ThreadPoolExecutor(2) as threads:
    print(*threads.map(compute, range(3)))
"""
    beginning = IMPORTED.rpartition("(found,)")[0]
    (tmp_path / "mine.py").write_text(beginning + in_threads)
    source = "\n    import mine\n    s = mine.s" + LATER
    assert run_script(tmp_path, source).splitlines() == ["imported", "1 2 3", "True 3", "7"]
