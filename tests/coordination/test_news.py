"""What a client hears of its run, and when: the contract."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from awaiting import eventually
from bundle_graphs import CHAIN, Graph, begun

from dask_serverless.coordination import said
from dask_serverless.coordination.base import OK, OVER, What


def test_who_submits_can_wait_for_the_end_and_gets_the_story_with_it(coordination):
    def work():
        run = coordination()
        eventually(lambda: run.claim("c1", "k1").assignment)
        for bundle in range(3):
            run.publish("c1", CHAIN.report(bundle, f"k{bundle + 1}"), f"k{bundle + 2}")

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        story = coordination().submit(CHAIN.submission(), (), 20.0, [2])
        working.result()
    assert len(story.events) == 3
    assert story.outputs == coordination().outputs([2]) != [None]


def test_a_run_that_takes_longer_than_one_waits_has_no_story_yet(coordination):
    assert coordination().submit(CHAIN.submission(), (), 0.01, [2]) is None


def test_a_sweep_can_wait_for_the_end(coordination):
    run = begun(coordination, Graph([[]]))
    assert run.sweep((), 60, 0.01).status == OK
    run.claim("c1", "k1")
    with ThreadPoolExecutor(1) as pool:
        swept = pool.submit(coordination().sweep, (), 60, 20.0)
        run.publish("c1", CHAIN.report(0, "k1"), "")
        condition = swept.result()
    assert (condition.status, condition.why) == (OVER, "done")


def test_news_go_on_where_the_reader_stopped(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    assert not run.news("0-0", 0).events
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    news = run.news("0-0", 0)
    assert len(news.events) == 1
    run.publish("c1", CHAIN.report(1, "k2"), "k3")
    assert len(run.news(news.last, 0).events) == 1
    assert len(run.news("0-0", 0).events) == 2


def test_what_is_said_is_news_to_who_listens(coordination):
    """Beside events, each from where its reader stopped."""
    run = coordination()
    run.submit(CHAIN.submission(), said.begun("run"))
    run.claim("c1", "k1")
    run.say(b"one")
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    news = run.news("0-0", 0, last_said=said.FROM_THE_START)
    assert (list(news.said), len(news.events)) == ([b"one"], 1)
    run.say(b"two")
    news = run.news(news.last, 5.0, last_said=news.last_said)
    assert (list(news.said), list(news.events)) == ([b"two"], [])
    run.publish("c1", CHAIN.report(1, "k2"), "k3")
    news = run.news(news.last, 5.0, last_said=news.last_said)
    assert (list(news.said), len(news.events)) == ([], 1)
    assert not run.news("0-0", 0).said


def test_what_is_said_wakes_who_waits_and_leaves_nothing(coordination):
    run = coordination()
    run.submit(CHAIN.submission(), said.begun("run"))
    with ThreadPoolExecutor() as pool:
        last = run.news("0-0", 0, last_said="0-0").last_said  # that it begins is news, too
        heard = pool.submit(lambda: coordination().news("0-0", 60.0, last_said=last))
        while not heard.done():
            run.say(b"one")
            time.sleep(0.01)
        assert set(heard.result().said) == {b"one"}
    run.close()
    run.say(b"two")  # by whoever has not heard of it
    assert not run.news("0-0", 0, last_said="0-0").said


def test_events_tell_when_they_were_and_the_last_how_long_the_run_took(coordination):
    """A submission whose answer is lost is repeated; a run's makespan begins with the first."""
    before = time.monotonic()
    run = begun(coordination, CHAIN)
    for _ in range(50):
        run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    run.submit(CHAIN.submission())
    run.publish("c1", CHAIN.report(1, "k2"), "k3")
    run.tell(2, "k3", b"progress")
    run.publish("c1", CHAIN.report(2, "k3"), "")
    elapsed = time.monotonic() - before
    *others, last = run.story([]).events
    assert [event.makespan for event in others] == [0.0, 0.0, 0.0]
    assert others[0].at <= others[1].at <= others[2].at <= last.at
    assert last.at - others[0].at < last.makespan <= elapsed


def test_the_failure_tells_how_long_the_run_took_until_then(coordination):
    before = time.monotonic()
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    run.fail("c1", 1, "k2", b"it raised")
    elapsed = time.monotonic() - before
    first, failure = run.story([]).events
    assert failure.what is What.FAILED and first.makespan == 0.0
    a_millisecond = 0.001  # events' times are whole ones
    assert failure.at - first.at - a_millisecond <= failure.makespan <= elapsed


def test_news_come_in_one_go_after_a_rest_that_the_end_of_the_run_cuts_short(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(coordination().news, "0-0", 20.0, 20.0)
        for bundle in range(3):
            run.publish("c1", CHAIN.report(bundle, f"k{bundle + 1}"), f"k{bundle + 2}")
        assert len(told.result(10).events) == 3
