"""The contract of places for blobs, and of the blobs on top of them."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dask_serverless.blobs import redis as redis_blobs
from dask_serverless.blobs.base import LIVE_SECONDS
from dask_serverless.blobs.blobs import INLINE, Blobs
from dask_serverless.blobs.compressed import Compressed
from dask_serverless.blobs.folder import PREFIX, Folders
from dask_serverless.blobs.frames import framed, join, size, unframed
from dask_serverless.blobs.memory import Memory
from dask_serverless.blobs.metered import metered
from dask_serverless.blobs.redis import RedisBlobs, keys
from dask_serverless.blobs.shared import SharedFiles
from dask_serverless.blobs.signed import Signed
from dask_serverless.blobs.storage import Storage
from dask_serverless.blobs.url import UrlBlobs
from dask_serverless.errors import (
    BlobLost,
    BlobsFull,
    BlobsUnusable,
    BlobTooLarge,
    NotAuthentic,
    SettingsError,
)
from dask_serverless.private import sweep
from dask_serverless.signing.secret import Secret

SIGNATURES = Secret("of client and containers").signatures("run", "epoch")


class Placed:
    """A place, with whoever sends its commands."""

    def __init__(self, place, link=None):
        self.place = place
        self.link = link

    def send(self, commands):
        assert self.link or not commands
        if commands:
            self.link.call(*commands)

    def put(self, name, frames):
        reference, commands, _ = self.place.put(name, frames)
        self.send(commands)
        return reference


@pytest.fixture(
    params=["memory", "shared", "redis", "memory url", "file url", "signed", "signed redis"]
)
def placed(request, tmp_path):
    match request.param:
        case "memory":
            return Placed(Memory())
        case "shared":
            return Placed(SharedFiles([str(tmp_path)]))
        case "redis":
            link = request.getfixturevalue("link")
            return Placed(RedisBlobs(link), link)
        case "signed":
            return Placed(Signed(Memory(), SIGNATURES))
        case "signed redis":
            link = request.getfixturevalue("link")
            return Placed(Signed(RedisBlobs(link), SIGNATURES), link)
        case "memory url":
            return Placed(UrlBlobs(f"memory://{tmp_path}"))
        case _:
            return Placed(UrlBlobs(f"file://{tmp_path}"))


VALUES = {
    "number": 3,
    "text": "x" * 100,
    "bytes": bytes(1000),
    "none": None,
    "nested": {"a": [1, (2, {3})], None: b"x"},
    "c": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(100)[::3],
    "transposed": np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    "no elements": np.zeros((0, 5)),
    "no dimensions": np.array(3.5),
    "object": np.array([1, "two", None, [3]], dtype=object),
    "structured": np.array([(1, 2.5, "a")], dtype=[("x", "i4"), ("y", "f8"), ("z", "U3")]),
    "times": np.array(["2020-01-01", "NaT"], dtype="M8[ns]"),
    "read only": np.frombuffer(bytes(range(100)), dtype=np.uint8),
    "masked": np.ma.masked_array([1, 2, 3], [0, 1, 0]),
    "two arrays": [np.arange(5), {"x": np.arange(7.0)}],
    "the same twice": [np.arange(50)] * 2,
    "unaligned": [np.arange(3, dtype=np.uint8), np.arange(5, dtype=np.float64)],
    "frame": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["p", "q"])}),
    "series": pd.Series(np.arange(10), index=pd.date_range("2020", periods=10)),
    "generated function": lambda x: x + 1,
}


def check(found, value):
    if isinstance(value, (pd.DataFrame, pd.Series)):
        assert found.equals(value)
    elif callable(value):
        assert found(1) == value(1)
    else:
        np.testing.assert_equal(found, value)
        assert type(found) is type(value)
        if isinstance(value, np.ndarray):
            assert (found.dtype, found.shape) == (value.dtype, value.shape)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was(placed, name):
    blobs = Blobs(placed.place, inline_bytes=0)
    stored = blobs.put("run/name-0", VALUES[name])
    placed.send(stored.commands)
    assert stored.reference[:1] == placed.place.tag
    (found,) = blobs.get([stored.reference])
    check(found, VALUES[name])


def test_arrays_come_back_writable_and_writing_changes_no_blob(placed):
    blobs = Blobs(placed.place, inline_bytes=0)
    value = [np.ones(1000), np.ones(3)]
    stored = blobs.put("run/name-0", value)
    placed.send(stored.commands)
    for _ in range(2):
        (found,) = blobs.get([stored.reference])
        for array in found:
            assert (array == 1).all()
            array[:] = 2
    assert (value[0] == 1).all()


def test_the_code_of_a_blob_is_good_for_its_reference_alone():
    """Also where the same bytes are found under another one."""
    place = Signed(Memory(), SIGNATURES)
    one, other = (place.put(f"run/name-{i}", framed(7)).reference for i in (1, 2))
    bare, code = place.bare(other), one.removeprefix(place.bare(one))
    assert place.get([other])
    with pytest.raises(NotAuthentic):
        place.get([bare + code])


def test_many_are_fetched_together_in_order(placed):
    references = [placed.put(f"run/name-{i}", framed(i)) for i in range(20)]
    blobs = Blobs(placed.place)
    assert blobs.get(references[::-1]) == list(range(20))[::-1]
    assert blobs.get([references[3]] * 2) == [3, 3]


def test_deleted_blobs_are_gone_and_may_be_deleted_again(placed):
    reference = placed.put("run/name-0", framed("value"))
    other = placed.put("run/name-1", framed("other"))
    for _ in range(2):
        placed.place.delete([reference])
    with pytest.raises(BlobLost):
        placed.place.get([reference])
    assert Blobs(placed.place).get([other]) == ["other"]


def test_a_name_written_twice_holds_the_second(placed):
    placed.put("run/name-0", framed("first and longer"))
    reference = placed.put("run/name-0", framed("second"))
    assert Blobs(placed.place).get([reference]) == ["second"]


def test_clearing_a_run_leaves_other_runs_alone(placed):
    if not placed.place.knows_runs:
        pytest.skip("cannot tell runs apart")
    mine = placed.put("mine/a-0", framed(1))
    other = placed.put("other/a-0", framed(2))
    placed.place.clear("mine")
    placed.place.clear("mine")
    with pytest.raises(BlobLost):
        placed.place.get([mine])
    assert Blobs(placed.place).get([other]) == [2]


# Blobs


def test_small_values_travel_inline_and_need_no_place():
    blobs = Blobs(Memory(), inline_bytes=1000)
    stored = blobs.put("run/name-0", np.arange(10))
    assert stored.reference[:1] == INLINE
    assert blobs.large.blobs == {}
    (found,) = blobs.get([stored.reference])
    found[:] = 0  # may be written to all the same
    assert (blobs.get([stored.reference])[0] == np.arange(10)).all()


def test_compressed_values_come_back(placed):
    blobs = Blobs(Compressed(placed.place), inline_bytes=0)
    stored = blobs.put("run/name-0", np.zeros(100_000))
    placed.send(stored.commands)
    assert stored.reference[:1] == Compressed.tag
    assert stored.nbytes < 10_000
    (found,) = blobs.get([stored.reference])
    found += 1
    blobs.delete([stored.reference])
    with pytest.raises(BlobLost):
        blobs.get([stored.reference])


def rewrite(placed, reference, data):
    """Overwrite a blob where it lies."""
    place = placed.place
    if isinstance(place, Signed):
        place, reference = place.inner, place.bare(reference)
    if isinstance(place, Memory):
        place.blobs[reference] = data
    elif isinstance(place, RedisBlobs):
        placed.link.call(("SET", keys(reference)[0], data))
    elif isinstance(place, SharedFiles):
        Path(reference[1:].decode()).write_bytes(data)
    else:
        place.files.pipe_file(reference[1:].decode(), data)


@pytest.mark.parametrize("wrapped", [lambda place: place, Compressed], ids=["plain", "compressed"])
@pytest.mark.parametrize("value", [np.arange(1000.0), "x" * 1000, list(range(1000))], ids=type)
def test_a_blob_that_has_lost_its_end_is_a_lost_blob(placed, value, wrapped):
    blobs = Blobs(wrapped(placed.place), inline_bytes=0)
    stored = blobs.put("run/name-0", value)
    placed.send(stored.commands)
    reference = stored.reference.removeprefix(Compressed.tag)
    whole = bytes(placed.place.get([reference])[0])
    error = (BlobLost, NotAuthentic) if isinstance(placed.place, Signed) else BlobLost
    for length in (len(whole) - 1, len(whole) // 2, 9, 3, 0):
        rewrite(placed, reference, whole[:length])
        with pytest.raises(error, match="name-0"):
            blobs.get([stored.reference])
    rewrite(placed, reference, bytes(len(whole)))
    with pytest.raises(error, match="name-0"):
        blobs.get([stored.reference])


def test_references_of_several_places_are_told_apart(tmp_path, link):
    a, b = SharedFiles([str(tmp_path)]), RedisBlobs(link)
    blobs, other = (Blobs(*pair, inline_bytes=10) for pair in ((a, [b]), (b, [a])))
    first, second = blobs.put("r/a-0", "x" * 99), other.put("r/b-0", "y" * 99)
    link.call(*second.commands)
    third = blobs.put("r/c-0", None)
    found = blobs.get([second.reference, third.reference, first.reference])
    assert found == ["y" * 99, None, "x" * 99]


def test_a_reference_to_a_file_elsewhere_is_neither_read_nor_removed(tmp_path):
    """Whoever may write to the store names files, and containers run as the user."""
    folder, secret = tmp_path / "blobs", tmp_path / "secret"
    folder.mkdir()
    secret.write_bytes(b"x" * 100)
    place = SharedFiles([str(folder)])
    for path in (secret, folder / "run" / ".." / ".." / "secret", folder / ".." / "secret"):
        reference = b"f" + str(path).encode()
        with pytest.raises(BlobLost):
            place.get([reference])
        with pytest.raises(BlobLost):
            place.delete([reference])
    assert secret.exists()


def test_blobs_in_the_store_live_as_long_as_somebody_looks_after_them(link):
    blobs = Blobs(RedisBlobs(link), inline_bytes=0)
    stored = blobs.put("run/a-0", "value")
    link.call(*stored.commands)
    (key,) = link.call(("KEYS", "*"))[0]
    assert 0 < link.call(("TTL", key))[0] <= LIVE_SECONDS
    link.call(("EXPIRE", key, 5))
    blobs.keep([stored.reference, b"iinline"])
    assert link.call(("TTL", key))[0] > LIVE_SECONDS - 5


# Frames


def test_large_buffers_are_not_copied_into_the_frames():
    array = np.arange(100_000.0)
    frames = framed(array)
    assert any(np.shares_memory(np.frombuffer(f, dtype=np.uint8), array) for f in frames if len(f))


def test_arrays_of_a_mapped_blob_are_views_into_it():
    data = bytearray(b"".join(framed([np.arange(1000.0), np.arange(3)])))
    first, _ = unframed(data)
    first[:] = 7
    assert (unframed(data)[0] == 7).all()
    assert first.ctypes.data % 8 == 0


def test_frames_with_no_buffer_have_no_padding():
    assert size(framed(3)) < 40
    assert unframed(b"".join(join(b"\x80\x05N.", []))) is None


# Redis


def test_a_value_longer_than_redis_takes_goes_in_several(link, monkeypatch):
    monkeypatch.setattr(redis_blobs, "CHUNK_BYTES", 1000)
    blobs = Blobs(RedisBlobs(link), inline_bytes=0)
    for count in (1, 124, 125, 126, 2000):
        value = np.arange(float(count))
        stored = blobs.put("run/claim-0", value)
        link.call(*stored.commands)
        assert len(stored.commands) == -(-stored.nbytes // 1000)
        assert (blobs.get([stored.reference])[0] == value).all()
        blobs.delete([stored.reference])
        assert link.call(("KEYS", "*")) == [[]]


def test_a_chunk_that_is_missing_is_a_lost_blob(link, monkeypatch):
    monkeypatch.setattr(redis_blobs, "CHUNK_BYTES", 100)
    blobs = Blobs(RedisBlobs(link), inline_bytes=0)
    stored = blobs.put("run/claim-0", np.arange(100))
    link.call(*stored.commands)
    link.call(("DEL", stored.commands[3][1]))
    with pytest.raises(BlobLost):
        blobs.get([stored.reference])


def test_what_a_lost_claim_wrote_is_forgotten_without_a_reference(link, monkeypatch):
    monkeypatch.setattr(redis_blobs, "CHUNK_BYTES", 100)
    blobs = Blobs(RedisBlobs(link), inline_bytes=0)
    for name in ("run/lost-0", "run/lost-1", "run/lost-2", "run/other-0"):
        link.call(*blobs.put(name, np.arange(50)).commands)
    blobs.forget("run", ["lost"])
    left = {key.rpartition(b":")[0] for key in link.call(("KEYS", "*"))[0]}
    assert left == {b"ds:blob:run/other-0"}


# Shared files


def test_a_write_takes_as_many_parts_as_there_are(tmp_path):
    value = [np.full(10, i) for i in range(1500)]
    blobs = Blobs(SharedFiles([str(tmp_path)]), inline_bytes=0)
    (found,) = blobs.get([blobs.put("run/a-0", value).reference])
    np.testing.assert_equal(found, value)


def test_the_next_folder_takes_what_the_first_has_no_room_for(tmp_path, small_disk):
    place = SharedFiles([str(small_disk), str(tmp_path)])
    blobs = Blobs(place, inline_bytes=0)
    small = blobs.put("run/a-0", np.zeros(100))
    large = blobs.put("run/b-0", np.zeros(500_000))
    assert str(small_disk).encode() in small.reference
    assert str(tmp_path).encode() in large.reference
    assert os.listdir(small_disk / "run") == ["a-0"]  # no half-written file
    assert blobs.get([large.reference])[0].shape == (500_000,)


def test_no_room_anywhere_is_said(small_disk):
    blobs = Blobs(SharedFiles([str(small_disk)]), inline_bytes=0)
    with pytest.raises(BlobsFull, match="blobs="):
        blobs.put("run/b-0", np.zeros(500_000))


def test_an_output_longer_than_a_file_may_be_is_said_and_leaves_nothing(tmp_path, short_files):
    place = SharedFiles([str(tmp_path / "memory"), str(tmp_path / "disk")])
    blobs = Blobs(place, inline_bytes=0)
    small = blobs.put("run/a-0", np.zeros(100))
    with pytest.raises(BlobTooLarge, match=r"ulimit -f.*blobs=") as caught:
        blobs.put("run/b-0", np.zeros(500_000))
    assert caught.value.nbytes > 4_000_000
    assert [f for folder in place.directories for f in os.listdir(f"{folder}/run")] == ["a-0"]
    assert blobs.get([small.reference])[0].shape == (100,)


def test_an_error_that_is_not_about_room_is_not_hidden(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(OSError) as caught:
        SharedFiles([str(tmp_path)]).put("run/a-0", framed(1))
    assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST)


# Folders


def test_folders_are_private_and_go_when_closed():
    folders = Folders()
    assert folders.paths
    assert all(os.stat(path).st_mode & 0o777 == 0o700 for path in folders.paths)
    folders.close()
    assert not any(map(os.path.exists, folders.paths))


def test_folders_that_nobody_holds_are_swept_and_others_stay(tmp_path):
    old, used, other = tmp_path / f"{PREFIX}old", tmp_path / f"{PREFIX}used", tmp_path / "other"
    for folder in (old, used, other):
        folder.mkdir()
        os.utime(folder, (0, 0))
    held = os.open(used, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    sweep(PREFIX, tmp_path)
    assert not old.exists()
    assert used.exists() and other.exists()
    os.close(held)


def test_transfers_of_a_metered_place_are_noted_and_nothing_else_changes(placed):
    noted = []
    plain = Blobs(placed.place, inline_bytes=100)
    blobs = metered(plain, lambda *told: noted.append(told))
    stored = blobs.put("run/a-0", np.arange(1000.0))
    placed.send(stored.commands)
    assert (blobs.get([stored.reference])[0] == np.arange(1000.0)).all()
    blobs.put("run/a-1", 1)
    tag = placed.place.tag.decode()
    sent = [] if stored.commands else [(tag, True, stored.nbytes)]
    assert [told[:3] for told in noted] == [*sent, (tag, False, stored.nbytes)]
    assert all(0 <= seconds < 5 for *_, seconds in noted)
    assert blobs.knows_runs == plain.knows_runs


def test_a_url_that_nothing_here_can_open_names_the_setting(link) -> None:
    with pytest.raises(SettingsError, match="setting blobs .*Protocol not known: s4"):
        Storage(url="s4://bucket/folder").open(link)


def test_a_url_that_a_file_system_cannot_open_names_the_setting(link, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="setting blobs .*No such file"):
        Storage(url=f"zip://folder::file://{tmp_path}/none.zip").open(link)


def test_a_bucket_that_is_not_there_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """s3fs makes it with the first folder in it: for a mistyped name, in the user's account."""
    from fsspec.implementations.memory import MemoryFileSystem
    from fsspec.registry import _registry as registry

    class Buckets(MemoryFileSystem):
        protocol = ("gs", "gcs")
        store, pseudo_dirs, made = {}, [""], []

        def makedirs(self, path, exist_ok=False):
            self.made.append(path)

        def _open(self, path, mode="rb", **options):
            raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setitem(registry, "gs", Buckets)
    with pytest.raises(SettingsError, match="cannot be written to: The specified bucket does not"):
        UrlBlobs("gs://mistyped/folder").put("run/1", [b"some"])
    assert Buckets.made == []


@pytest.fixture
def broken() -> UrlBlobs:
    """A place whose service is away, as its library tells: by an error of its own, with the URL."""
    import fsspec

    url = "broken://user:PASSWORD@bucket/folder"

    class Away(Exception):
        """None of the system's."""

    class Broken(fsspec.AbstractFileSystem):
        protocol = "broken"

        def makedirs(self, *args, **options):
            raise Away(f"no answer from {url}")

        cat_file = makedirs

    fsspec.register_implementation("broken", Broken, clobber=True)
    return UrlBlobs(url)


def test_a_place_that_fails_is_told_as_that_and_without_its_password(broken: UrlBlobs) -> None:
    for call in (lambda: broken.put("run/1", [b"some"]), lambda: broken.get([b"u" + b"run/1"])):
        with pytest.raises(BlobsUnusable, match=r"blobs names .* no answer from broken") as caught:
            call()
        assert "PASSWORD" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_url_where_nothing_can_be_written_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    place = UrlBlobs(f"file://{tmp_path}/file/folder")
    with pytest.raises(SettingsError, match="setting blobs .*cannot be written to: .*file"):
        place.put("run/1", [b"some"])
