"""The pipe for what tasks print: whole lines, also when nobody reads, and what is left of the dead."""

from __future__ import annotations

import os
import select
import signal
import sys

import pytest

from dask_serverless.backends.saying import Ear, Mouth, Saying
from dask_serverless.worker import allowance
from dask_serverless.worker.said import apart
from dask_serverless.worker.voice import Voice


@pytest.fixture
def saying():
    pipe = Saying()
    yield pipe
    pipe.close()


@pytest.fixture
def voice(saying):
    return Voice(Mouth(saying.writing, alone=False), "redis://host", "run", "c-1")


def heard(saying):
    ear = Ear(saying.reading, lambda store: pytest.fail("nothing is to be passed on"))
    data = b""
    while part := ear.read():
        data += part
    found, rest = apart(data)
    assert not rest
    return [each.said for each in found]


def test_lines_come_whole_and_in_order(saying, voice):
    voice.write("stdout", "one\ntw")
    voice.write("stderr", "warning\n")
    voice.write("stdout", "o\n")
    assert [(s.number, s.stream, s.text) for s in heard(saying)] == [
        (0, "stdout", "one"), (1, "stderr", "warning"), (2, "stdout", "two"),
    ]  # fmt: skip


def test_where_nobody_reads_lines_are_dropped_and_counted(saying, voice, monkeypatch):
    monkeypatch.setattr(allowance, "MOST_LINES", 10**9)
    monkeypatch.setattr(allowance, "MOST_CHARACTERS", 10**12)
    voice.allowance = allowance.Allowance(10**9, 10**12)
    for _ in range(5000):
        voice.write("stdout", "x" * 600 + "\n")
    before = heard(saying)
    assert 0 < len(before) < 5000
    assert [said.number for said in before] == list(range(len(before)))
    assert voice.told() == ("c-1/" + voice.name.rpartition("/")[2], 5000)
    (last,) = heard(saying)
    assert (last.number, last.text) == (5000, None)


def test_what_is_too_long_for_one_write_is_dropped(saying):
    mouth = Mouth(saying.writing, alone=False)
    assert not mouth.say(b"x" * (select.PIPE_BUF + 1))
    assert mouth.say(b"x" * select.PIPE_BUF)


def test_the_longest_line_in_the_widest_letters_fits(saying, voice):
    voice.write("stdout", "\U0001f600" * 5000 + "\n")
    assert "".join(said.text for said in heard(saying)) == "\U0001f600" * 5000


def test_what_a_process_wrote_outlives_it(saying, voice):
    pid = os.fork()
    if not pid:
        voice.write("stdout", "last words\n")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert [said.text for said in heard(saying)] == ["last words"]


def test_a_reader_that_comes_in_the_middle_of_a_line_goes_on_with_the_next(saying, voice):
    """A keeper that is killed takes the beginning of a line along: the next one died of its end."""
    for number in range(3):
        voice.write("stdout", f"line {number} \udcff\n")
    everything = os.read(saying.reading, 1 << 16)
    length = len(everything) // 3
    for cut in range(1, len(everything)):
        found, rest = apart(everything[cut:])
        first = -(-cut // length)  # of those that are whole
        assert [spoken.said.number for spoken in found] == list(range(first, 3)), cut
        more, rest = apart(rest + everything)  # it goes on with what comes next
        assert ([spoken.said.number for spoken in more], rest) == ([0, 1, 2], b""), cut


def test_lines_bear_the_task_whose_step_is_under_way(saying, voice):
    program = [(0, 0, (), None), (-5, 0, (), None), (1, 0, (), None)]
    noted = voice.noting(program)
    assert list(reversed(noted)) == program[::-1]
    voice.write("stdout", "before\n")
    assert [step[0] for step in program] == [0, -5, 1]  # whoever looks at it does not run it
    voice.write("stdout", "looked at\n")
    for _ in noted:
        voice.write("stdout", "during\n")
    voice.told()
    voice.write("stdout", "after\n")
    assert [said.task for said in heard(saying)] == [-1, -1, 0, 1, 1, -1]


def test_streams_are_as_before_when_nobody_speaks(saying):
    before = sys.stdout, sys.stderr
    voice = Voice(Mouth(saying.writing, alone=True), "redis://host", "run", "c-1")
    voice.begin()
    assert sys.stdout is not before[0]
    assert sys.stdout.encoding == before[0].encoding
    voice.end()
    assert (sys.stdout, sys.stderr) == before
