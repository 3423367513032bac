"""A link: batches, retries, scripts, large values, and what errors become."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable

import pytest
from store_servers import Servers, until

from dask_serverless.errors import StoreCommandFailed, StoreFull, StoreUnreachable
from dask_serverless.store.address import parse
from dask_serverless.store.connect import information_of
from dask_serverless.store.link import Link
from dask_serverless.store.script import Script

COUNT = Script("return {redis.call('INCR', KEYS[1]), ARGV[1]}")


@pytest.fixture
def link(url: str) -> Link:
    return Link(parse(url), patience_seconds=5)


def test_a_batch_is_answered_in_order(link: Link) -> None:
    assert link.call(("SET", "a", 1), ("GET", "a"), ("GET", b"none")) == [b"OK", b"1", None]


def test_a_script_is_sent_once_and_known_from_then_on(link: Link) -> None:
    assert link.call(link.script(COUNT, ["c"], [b"x"])) == [[1, b"x"]]
    before = link.bytes_sent
    assert link.call(("SET", "a", 1), link.script(COUNT, ["c"], [b"x"])) == [b"OK", [2, b"x"]]
    assert link.bytes_sent - before < 150


def test_a_script_in_the_middle_keeps_the_order(link: Link) -> None:
    replies = link.call(("SET", "c", 5), link.script(COUNT, ["c"], [""]), ("GET", "c"))
    assert replies == [b"OK", [6, b""], b"6"]


def test_a_server_that_forgot_its_scripts_gets_them_again(link: Link) -> None:
    link.call(link.script(COUNT, ["c"], [""]))
    link.call(("SCRIPT", "FLUSH"))
    assert link.call(link.script(COUNT, ["c"], [""])) == [[2, b""]]


def test_a_script_that_nobody_knows_is_an_error_at_once(link: Link) -> None:
    with pytest.raises(StoreCommandFailed) as caught:
        link.call(("EVALSHA", "0" * 40, 0))
    assert caught.value.code == "NOSCRIPT"


@pytest.mark.parametrize("size", [0, 1, 32 << 10, (32 << 10) + 1, 3 << 20])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_values_of_every_size_and_kind(
    link: Link, size: int, kind: Callable[[bytes], object]
) -> None:
    value = os.urandom(size)
    commands = [("SET", "a", kind(value)), ("SET", "b", 1), ("GET", "a"), ("GET", "b")]
    assert link.call(*commands) == [b"OK", b"OK", value, b"1"]


def test_a_view_of_numbers_is_sent_as_its_bytes(link: Link) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(10_000.0).reshape(100, 100)
    assert link.call(("SET", "a", memoryview(array)), ("GET", "a"))[1] == array.tobytes()


def test_thousands_of_large_values_in_one_batch(link: Link) -> None:
    value = bytes(40_000)
    replies = link.call(*[("SET", number, value) for number in range(1500)])
    assert replies == [b"OK"] * 1500


def test_an_error_reply_names_its_command(link: Link) -> None:
    with pytest.raises(StoreCommandFailed) as caught:
        link.call(("SET", "a", "text"), ("INCR", "a"), ("SET", "b", 1))
    assert (caught.value.command, caught.value.code) == ("INCR", "ERR")
    assert link.call(("GET", "b")) == [b"1"]


def test_error_replies_can_stand_among_the_others(link: Link) -> None:
    first, second = link.call(("INCR",), ("PING",), raises=False)
    assert isinstance(first, StoreCommandFailed)
    assert second == b"PONG"


def test_a_dropped_connection_is_opened_anew(link: Link, url: str) -> None:
    link.call(("SET", "a", 1))
    with Link(parse(url)) as other:
        other.call(("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
    assert link.call(("GET", "a")) == [b"1"]


def test_a_server_that_is_late_is_waited_for() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        link = Link(parse(url), patience_seconds=5)
        answers: list[object] = []
        caller = threading.Thread(target=lambda: answers.extend(link.call(("PING",))))
        caller.start()
        listener.listen()
        peer, _ = listener.accept()
        peer.sendall(b"+OK\r\n+PONG\r\n")
        caller.join(5)
        peer.close()
    assert answers == [b"PONG"]


def test_a_server_that_stays_away_is_reported_with_url_and_setting() -> None:
    with pytest.raises(StoreUnreachable) as caught:
        Link(parse("redis://:secret@127.0.0.1:1"), patience_seconds=0.1).call(("PING",))
    message = str(caught.value)
    assert "127.0.0.1:1" in message
    assert "refused" in message
    assert "DASK_SERVERLESS__STORE" in message
    assert "secret" not in message


def test_a_server_that_is_busy_is_waited_for(start_server: Servers) -> None:
    url = start_server("--lua-time-limit", 1)
    endless = Link(parse(url), patience_seconds=0)
    thread = threading.Thread(
        target=lambda: endless.call(("EVAL", "while true do end", 0), raises=False)
    )
    with Link(parse(url), patience_seconds=0) as probe, Link(parse(url)) as link:
        link.call(("PING",))
        thread.start()
        until(lambda: isinstance(probe.call(("PING",), raises=False)[0], StoreCommandFailed))
        rescue = threading.Timer(0.1, lambda: Link(parse(url)).call(("SCRIPT", "KILL")))
        rescue.start()
        assert link.call(("PING",)) == [b"PONG"]
        thread.join(5)
        rescue.join()


def test_a_server_that_hangs_is_given_up(
    start_server: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dask_serverless.store.wire.REPLY_SECONDS", 0.3)
    url = start_server()
    reading, writing = Link(parse(url)), Link(parse(url))
    process = int(information_of(reading)["process_id"])
    waiting = ("XREAD", "BLOCK", 500, "STREAMS", "s", "0-0")
    assert reading.call(waiting, wait_seconds=0.5) == [None]
    writing.call(("PING",))
    os.kill(process, signal.SIGSTOP)
    try:
        for link, command in ((reading, ("GET", "a")), (writing, ("SET", "a", bytes(1 << 19)))):
            link.patience_seconds = 0
            with pytest.raises(StoreUnreachable, match="timed out"):
                link.call(command)
    finally:
        os.kill(process, signal.SIGCONT)


def test_a_full_store_says_so(start_server: Servers) -> None:
    link = Link(parse(start_server("--maxmemory", 2_000_000)))
    with pytest.raises(StoreFull, match="maxmemory"):
        link.call(*[("SET", number, bytes(100_000)) for number in range(100)])


def test_an_interrupted_call_does_not_leave_its_answer_to_the_next(link: Link) -> None:
    link.call(("SET", "a", 1))
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.1, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        link.call(("BLPOP", "nothing", 5), wait_seconds=5)
    assert link.call(("GET", "a")) == [b"1"]


@pytest.mark.parametrize("trouble", [("SCRIPT", "FLUSH"), ("CLIENT", "KILL", "TYPE", "normal")])
def test_what_was_posted_in_vain_is_repeated_at_the_latest_at_the_end(
    link: Link, url: str, trouble: tuple[str, ...]
) -> None:
    with Link(parse(url)) as other:
        link.post(link.script(COUNT, ["c"], [""]))
        other.call(trouble if trouble[0] == "SCRIPT" else (*trouble, "SKIPME", "yes"))
        link.post(link.script(COUNT, ["d"], [""]))
        link.finish()
        assert other.call(("GET", "c"), ("GET", "d")) == [b"1", b"1"]


def test_what_lacks_replicas_is_repeated_at_the_end(link: Link, url: str) -> None:
    link.patience_seconds = 0.05
    with Link(parse(url)) as other:
        link.post(link.script(COUNT, ["c"], [""]))
        other.call(("CONFIG", "SET", "min-replicas-to-write", 1))
        link.post(link.script(COUNT, ["d"], [""]))
        link.call(("GET", "d"))
        other.call(("CONFIG", "SET", "min-replicas-to-write", 0))
        link.finish()
        assert other.call(("GET", "d")) == [b"1"]


def test_a_timeout_that_a_signal_handler_raises_is_no_trouble_of_the_connection(link: Link) -> None:
    def give_up(*_: object) -> None:
        raise TimeoutError("the user's patience is over")

    link.call(("SET", "a", 1))
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(TimeoutError, match="patience"):
            link.call(("BLPOP", "nothing", 2), wait_seconds=2)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert link.call(("GET", "a")) == [b"1"]


def test_a_fork_opens_a_connection_of_its_own(link: Link) -> None:
    (mine,) = link.call(("CLIENT", "ID"))
    child = os.fork()
    if not child:
        (theirs,) = link.call(("CLIENT", "ID"))
        os._exit(7 if theirs != mine else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert link.call(("CLIENT", "ID")) == [mine]


def test_calls_and_bytes_are_counted_across_connections(link: Link) -> None:
    link.call(("SET", "a", bytes(1000)), ("GET", "a"))
    link.close()
    link.call(("GET", "a"))
    assert link.calls == 2
    assert 1000 < link.bytes_sent < 1300
    assert 2000 < link.bytes_received < 2300
