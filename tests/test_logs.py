"""What tasks print, at the client: line by line, from real containers, also from those that die."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import dask
import pytest
from awaiting import eventually
from clients import run_script
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.errors import BundleLost, SettingsError

BOUND_SECONDS = 60.0  # on whatever machine


def spoken(lines):
    return [line.text for line in lines]


def speak(*texts):
    for text in texts:
        print(text)
    return len(texts)


@pytest.fixture
def heard(serverless):
    """A view whose lines come into a list, and that list."""
    lines = []
    return serverless.options(logs=lines.append), lines


def test_lines_come_with_their_task_and_container(heard):
    client, lines = heard
    tasks = [delayed(speak)(f"{n} a", f"{n} b", dask_key_name=f"say-{n}") for n in range(3)]
    dask.compute(*tasks, scheduler=client)
    assert sorted(spoken(lines)) == ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b"]
    for line in lines:
        assert line.key == f"say-{line.text[0]}"
        assert line.function == "speak"
        assert line.container in client.last_run.containers
        assert str(line) == f"[{line.container} {line.key}] {line.text}"


def every_way():
    print("printed")
    print("to stderr", file=sys.stderr)
    sys.stdout.writelines(["one\n", "two\n"])
    warnings.warn("careful", stacklevel=1)
    logging.getLogger("mine").error("logged")
    thread = threading.Thread(target=print, args=("in a thread",))
    thread.start()
    thread.join()
    print("without an end", end="")


def test_every_way_to_say_something(heard):
    client, lines = heard
    dask.compute(delayed(every_way)(), scheduler=client)
    by_stream = {name: [x.text for x in lines if x.stream == name] for name in ("stdout", "stderr")}
    assert by_stream["stdout"] == ["printed", "one", "two", "in a thread", "without an end"]
    said = "\n".join(by_stream["stderr"])
    assert "to stderr" in said
    assert "UserWarning: careful" in said
    assert "logged" in said
    assert {line.function for line in lines} == {"every_way"}


def until(file):
    print("working")
    deadline = time.monotonic() + BOUND_SECONDS
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    return file.exists()


def test_a_line_comes_while_its_task_still_runs(serverless, tmp_path):
    """The task ends when its line is here."""
    file = tmp_path / "heard"
    client = serverless.options(logs=lambda line: file.touch())
    assert dask.compute(delayed(until)(file), scheduler=client) == (True,)


def holds_the_interpreter(file):
    """As a call into C may: nothing else in this process runs meanwhile."""
    import ctypes

    print("about to hold it")
    libc = ctypes.PyDLL(None)
    for _ in range(600):
        if file.exists():
            return True
        libc.usleep(100_000)
    return False


def test_a_line_comes_though_its_task_holds_the_interpreter(serverless, tmp_path):
    file = tmp_path / "heard"
    client = serverless.options(logs=lambda line: file.touch())
    assert dask.compute(delayed(holds_the_interpreter)(file), scheduler=client) == (True,)


def speak_and_die(how):
    print("last words")
    print("last warning", file=sys.stderr)
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "exit"])
def test_what_was_said_before_the_end_arrives_and_is_in_the_error(store_url, how):
    lines = []
    with (
        Serverless(containers=1, store=store_url, attempts=2, logs=lines.append) as client,
        pytest.raises(BundleLost) as caught,
    ):
        dask.compute(delayed(speak_and_die)(how), scheduler=client)
    assert spoken(lines) == ["last words", "last warning"] * 2
    assert len({line.container for line in lines}) == 2
    for _, why in caught.value.story:
        assert "last words" in why
        assert "last warning" in why


def speak_and_raise():
    print("before")
    raise KeyError("it")


def test_what_was_said_before_an_error_comes_before_it(heard):
    client, lines = heard
    with pytest.raises(KeyError):
        dask.compute(delayed(speak_and_raise)(), scheduler=client)
    assert spoken(lines) == ["before"]
    assert lines[0].function == "speak_and_raise"


def test_each_attempt_speaks(heard, tmp_path):
    client, lines = heard
    with pytest.raises(KeyError):
        dask.compute(delayed(speak_and_raise)(), scheduler=client, retries=2)
    assert spoken(lines) == ["before"] * 3


def too_much(count):
    for n in range(count):
        print("line", n)


def test_too_many_lines_are_dropped_and_counted(heard):
    client, lines = heard
    dask.compute(delayed(too_much)(30_000), scheduler=client)
    came = [line for line in lines if line.key is not None]
    assert spoken(came)[:3] == ["line 0", "line 1", "line 2"]
    dropped = client.last_run.dropped_lines
    assert dropped > 0
    assert len(came) + dropped == 30_000
    assert any("lines were dropped here" in line.text for line in lines if line.key is None)


def test_a_long_line_comes_in_pieces_and_ends_somewhere(heard):
    client, lines = heard
    dask.compute(delayed(speak)("ä" * 15_000, "b" * 1_000_000, "c"), scheduler=client)
    said = "".join(spoken(lines))
    assert said.startswith("ä" * 15_000 + "b")
    assert said.endswith("more characters)c")
    assert len(said) < 50_000
    assert not client.last_run.dropped_lines


def test_whatever_characters(heard):
    client, lines = heard
    texts = ["\ud800 alone", "nul \0", "tab\t", "", "  ", "…"]
    dask.compute(delayed(speak)(*texts), scheduler=client)
    assert spoken(lines) == texts


def test_printing_what_is_no_text_is_the_tasks_error(heard):
    client, _ = heard
    with pytest.raises(TypeError, match="must be str"):
        dask.compute(delayed(write_bytes)(), scheduler=client)


def write_bytes():
    sys.stdout.write(b"bytes")


def test_lines_are_printed_where_the_client_prints(serverless, capsys):
    dask.compute(delayed(every_way)(dask_key_name="x"), scheduler=serverless.options(logs=True))
    out, err = capsys.readouterr()
    assert " x] printed\n" in out
    assert " x] to stderr\n" in err
    assert "to stderr" not in out


def test_lines_are_records_of_a_logger(serverless, caplog):
    caplog.set_level(logging.INFO)
    dask.compute(delayed(every_way)(), scheduler=serverless.options(logs="logging"))
    records = {record.getMessage().partition("] ")[2]: record for record in caplog.records}
    assert records["printed"].name == "dask_serverless.tasks"
    assert records["printed"].levelno == logging.INFO
    assert records["to stderr"].levelno == logging.WARNING
    assert records["printed"].function == "every_way"
    caplog.clear()
    mine = serverless.options(logs=logging.getLogger("mine.own"))
    dask.compute(delayed(speak)("hello"), scheduler=mine)
    assert [record.name for record in caplog.records] == ["mine.own"]


def test_callbacks_and_lines_together(heard):
    client, lines = heard
    seen = []
    with dask.callbacks.Callback(posttask=lambda key, *rest: seen.append(key)):
        dask.compute(delayed(speak)("hello", dask_key_name="x"), scheduler=client)
    assert seen == ["x"]
    assert spoken(lines) == ["hello"]


def test_who_shows_lines_and_fails_is_told_once(serverless):
    def show(line):
        raise OSError("no paper")

    with pytest.warns(UserWarning, match="no paper") as caught:
        found = dask.compute(delayed(speak)("a", "b"), scheduler=serverless.options(logs=show))
    assert found == (2,)
    assert len([each for each in caught if "no paper" in str(each.message)]) == 1


def streams():
    return type(sys.stdout).__name__, type(sys.stderr).__name__


def test_without_listeners_nothing_stands_between_tasks_and_their_streams(serverless, heard):
    client, _ = heard
    dask.compute(delayed(speak)("hello"), scheduler=client)
    assert dask.compute(delayed(streams)(), scheduler=serverless) == (("TextIOWrapper",) * 2,)


def test_a_run_leaves_nothing_in_the_store(serverless, heard, store_url):
    from dask_serverless.store.connect import open_link

    client, _ = heard
    dask.compute(delayed(speak)("hello"), scheduler=client)
    with open_link(store_url) as link:
        eventually(lambda: not link.call(("KEYS", f"ds:{{{client.last_run.run}}}*"))[0])


@pytest.mark.parametrize("wrong", [3, "loud", b"x", 1.5, [print]])
def test_a_setting_that_means_nothing(serverless, wrong):
    with pytest.raises(SettingsError, match="logs.*must be true, false"):
        serverless.options(logs=wrong)


@pytest.mark.parametrize("value", ["true", "logging"])
def test_the_setting_from_the_environment(store_url, tmp_path, value):
    script = f"""
        import dask, logging, sys
        from dask import delayed
        from dask_serverless import Serverless

        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
        with Serverless(containers=1, store={store_url!r}) as client:
            dask.compute(delayed(print)("hello", dask_key_name="x"), scheduler=client)
    """
    out = run_script(tmp_path, script, DASK_SERVERLESS__LOGS=value)
    assert " x] hello" in out


def speak_here(text):
    print(text)
    return os.getpid(), threading.get_ident()


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_on_an_executor(store_url, kind, capsys):
    """Containers may be threads of this very process, whose own lines stay where they were."""
    lines = []
    if kind == "threads":
        executor = ThreadPoolExecutor(2)
    else:
        executor = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with (
        executor,
        Serverless(backend=executor, containers=2, store=store_url, logs=lines.append) as client,
    ):
        tasks = [delayed(speak_here)(f"line {n}", dask_key_name=f"x-{n}") for n in range(4)]
        dask.compute(*tasks, scheduler=client)
        print("mine")
    assert sorted((line.key, line.text) for line in lines) == [
        (f"x-{n}", f"line {n}") for n in range(4)
    ]
    assert capsys.readouterr().out == "mine\n"


def test_lines_pickle_and_print(heard):
    client, lines = heard
    dask.compute(delayed(speak)("hello"), scheduler=client)
    assert json.dumps(lines[0]._asdict())
