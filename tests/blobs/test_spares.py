"""Spares: a file is written anew when its blob is deleted and nobody has anything of it, not before."""

import errno
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from itertools import count

import numpy as np
import pytest
from awaiting import eventually

from dask_serverless.blobs import rewriting as rewriting_module
from dask_serverless.blobs import shared, spares
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.compressed import Compressed
from dask_serverless.blobs.rewriting import Rewriting, rewriting
from dask_serverless.blobs.shared import SharedFiles
from dask_serverless.blobs.spares import Spares
from dask_serverless.errors import BlobLost

MIB = 1 << 20


@pytest.fixture
def kept(tmp_path):
    kept = Spares(str(tmp_path / "kept"))
    yield kept
    kept.drop()


@pytest.fixture
def place(tmp_path, kept, monkeypatch):
    """Roomy, however full this disk is."""
    monkeypatch.setattr(Rewriting, "roomy", lambda self: True)
    return SharedFiles([str(tmp_path / "blobs")])


@pytest.fixture
def writer(place, kept):
    return rewriting(Blobs(place), kept)


@pytest.fixture
def reader(place):
    return Blobs(place)


def inode(stored):
    return os.stat(stored.reference[1:]).st_ino


def numbers(seed, nbytes=MIB):
    return np.random.default_rng(seed).random(nbytes // 8)


def test_a_deleted_blobs_file_takes_the_next_one(writer, reader):
    before = None
    for number in range(5):
        stored = writer.put(f"run/a-{number}", numbers(number))
        assert before in (None, inode(stored))
        before = inode(stored)
        (found,) = reader.get([stored.reference])
        assert (found == numbers(number)).all()
        del found
        reader.delete([stored.reference])


def test_a_blob_that_is_there_keeps_its_file(writer, reader):
    first = writer.put("run/a-0", numbers(0))
    second = writer.put("run/a-1", numbers(1))
    assert inode(first) != inode(second)
    for seed, stored in enumerate((first, second)):
        assert (reader.get([stored.reference])[0] == numbers(seed)).all()


def test_what_was_read_never_changes(writer, reader):
    """A result that the user keeps, long after its run has deleted everything."""
    stored = writer.put("run/a-0", numbers(0))
    (result,) = reader.get([stored.reference])
    reader.delete([stored.reference])
    view = result[1000:]
    del result
    for number in range(1, 5):
        other = writer.put(f"run/a-{number}", numbers(number))
        reader.delete([other.reference])
    assert (view == numbers(0)[1000:]).all()
    view[:] = 0  # a copy of the reader's own
    assert (writer.get([writer.put("run/a-9", numbers(9)).reference])[0] == numbers(9)).all()


def test_a_file_is_free_when_the_last_value_in_it_has_gone(writer, reader):
    stored = writer.put("run/a-0", [numbers(0), numbers(1)])
    (values,) = reader.get([stored.reference])
    file = inode(stored)
    reader.delete([stored.reference])
    last = values[1][5:7]
    del values
    held = writer.put("run/a-1", [numbers(2), numbers(3)])
    assert inode(held) != file
    assert (last == numbers(1)[5:7]).all()
    del last
    reader.delete([held.reference])
    files = {inode(writer.put(f"run/a-{n}", [numbers(4), numbers(5)])) for n in (2, 3)}
    assert file in files


def test_another_process_that_maps_it_counts_also_when_it_was_forked(writer, place, tmp_path):
    stored = writer.put("run/a-0", numbers(0))
    code = f"""
        import os, sys
        from dask_serverless.blobs.blobs import Blobs
        from dask_serverless.blobs.shared import SharedFiles
        found, = Blobs(SharedFiles({place.directories!r})).get([{stored.reference!r}])
        if os.fork():
            os._exit(0)  # its child has what it had
        print("here", flush=True)
        sys.stdin.read()
        print(repr(float(found.sum())))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "here\n"
    file = inode(stored)
    place.delete([stored.reference])
    assert inode(writer.put("run/a-1", numbers(1))) != file
    said, _ = process.communicate()
    assert float(said) == numbers(0).sum()
    names = (f"run/b-{number}" for number in count())

    def written_anew():
        stored = writer.put(next(names), numbers(2))
        found = inode(stored)
        writer.delete([stored.reference])
        return found == file

    eventually(written_anew)  # the process may still be on its way out


def test_a_writer_that_was_killed_leaves_no_lock(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    code = f"""
        import os, signal
        from dask_serverless.blobs.spares import exclusive
        with exclusive({str(path)!r}) as file:
            assert file is not None
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    with spares.exclusive(str(path)) as file:
        assert file is not None


def test_whoever_opened_a_blob_just_before_it_was_deleted_gets_it_or_nothing(
    writer, reader, monkeypatch
):
    """Deleted and written anew between opening and locking: the file is another blob's by then."""
    stored = writer.put("run/a-0", numbers(0))
    lock = fcntl.flock

    def late(file, how):
        if how & fcntl.LOCK_SH:
            monkeypatch.undo()
            reader.delete([stored.reference])
            writer.put("run/a-1", numbers(1))
        lock(file, how)

    monkeypatch.setattr(shared.fcntl, "flock", late)
    with pytest.raises(BlobLost, match="a-0"):
        reader.get([stored.reference])


def test_whoever_comes_while_it_is_written_anew_finds_it_lost(tmp_path, place, reader):
    path = tmp_path / "blobs" / "run" / "a-0"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(100))
    with spares.exclusive(str(path)), pytest.raises(BlobLost):
        reader.get([b"f" + os.fsencode(path)])


def test_where_files_cannot_be_locked_they_are_read_and_none_is_written_anew(
    writer, reader, monkeypatch
):
    def flock(file, how):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    first = writer.put("run/a-0", numbers(0))
    file = inode(first)
    (found,) = reader.get([first.reference])
    reader.delete([first.reference])
    assert inode(writer.put("run/a-1", numbers(1))) != file
    assert (found == numbers(0)).all()


@pytest.mark.parametrize("change", [-5000, -4096, -100, -1, 1, 100, 4096])
def test_blobs_of_nearly_the_same_length_come_back_exactly(writer, reader, change):
    lengths = [MIB, MIB + change] * 3
    for number, length in enumerate(lengths):
        stored = writer.put(f"run/a-{number}", bytes([number + 1]) * length)
        assert os.stat(stored.reference[1:]).st_size == stored.nbytes
        assert reader.get([stored.reference]) == [bytes([number + 1]) * length]
        reader.delete([stored.reference])


def test_a_file_that_somebody_cut_off_is_not_written_to(writer, reader, kept):
    """Its pages are gone: writing there would end the process."""
    for number in range(2):  # from the second time on it is mapped
        stored = writer.put(f"run/a-{number}", numbers(0))
        reader.delete([stored.reference])
    (spare,) = kept.kept.values()
    os.truncate(spare.path, 100)
    stored = writer.put("run/a-2", numbers(2))
    assert (reader.get([stored.reference])[0] == numbers(2)).all()


def test_a_folder_that_was_removed_only_costs_the_files(writer, reader, kept):
    reader.delete([writer.put("run/a-0", numbers(0)).reference])
    shutil.rmtree(kept.folder)
    shutil.rmtree(writer.large.directory)
    for number in (1, 2):
        stored = writer.put(f"run/a-{number}", numbers(number))
        assert (reader.get([stored.reference])[0] == numbers(number)).all()


def test_no_more_is_kept_than_allowed_and_other_runs_make_room(place, tmp_path):
    kept = Spares(str(tmp_path / "kept"), most_bytes=3 * MIB)
    blobs = rewriting(Blobs(place), kept)
    for number in range(5):
        blobs.put(f"run/a-{number}", numbers(number))
        assert kept.nbytes <= 3 * MIB
    mine = list(kept.kept)
    assert len(mine) == 2
    blobs.put("other/b-0", numbers(0, 2 * MIB))  # of another length
    assert kept.nbytes <= 3 * MIB
    assert not set(mine) & set(kept.kept)
    assert sorted(os.listdir(kept.folder)) == sorted(map(os.path.basename, kept.kept))
    blobs.put("other/b-1", numbers(0, 8 * MIB))  # more than may ever be kept
    kept.drop()
    assert not os.path.exists(kept.folder)
    assert blobs.get([b"f" + os.fsencode(os.path.join(place.directories[0], "run/a-0"))])


def test_most_files_that_may_be_open_are_left_to_tasks(place, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2 * len(os.listdir("/proc/self/fd")) + 40
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        kept = Spares(str(tmp_path / "kept"))
        blobs = rewriting(Blobs(place), kept)
        for run in range(2):  # the second time they are mapped
            put = [blobs.put(f"{run}/a-{n}", numbers(n, 80_000)) for n in range(most)]
            blobs.delete([stored.reference for stored in put])
        assert 0 < len(open_in(kept.folder)) <= most // 4
        kept.drop()
        assert not open_in(kept.folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def open_in(folder):
    names = []
    for file in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # of the listing itself
            names.append(os.readlink(f"/proc/self/fd/{file}"))
    return [name for name in names if name.startswith(folder)]


def test_nothing_is_kept_where_others_need_the_room(place, kept, monkeypatch):
    blobs = rewriting(Blobs(place), kept)
    blobs.put("run/a-0", numbers(0))
    assert kept.kept
    monkeypatch.undo()
    monkeypatch.setattr(rewriting_module, "ROOMY", 0)
    blobs.put("run/a-1", numbers(1))
    assert not kept.kept


def test_a_full_place_is_left_as_by_anybody_else(small_disk, tmp_path):
    """And what was kept there goes."""
    place = SharedFiles([str(small_disk), str(tmp_path / "disk")])
    kept = Spares(str(small_disk / "kept"))
    blobs = rewriting(Blobs(place), kept)
    first = blobs.put("run/a-0", numbers(0, MIB // 4))
    assert kept.kept
    second = blobs.put("run/b-0", numbers(1))
    assert str(tmp_path).encode() in second.reference
    assert not kept.kept
    found = blobs.get([first.reference, second.reference])
    assert (found[0] == numbers(0, MIB // 4)).all() and (found[1] == numbers(1)).all()


def test_only_plain_shared_files_are_written_anew(place, kept):
    small = rewriting(Blobs(place, inline_bytes=0), kept)
    small.put("run/a-0", numbers(0, 1000))
    assert not kept.kept
    packed = Blobs(Compressed(place), [place])
    assert rewriting(packed, kept) is packed
