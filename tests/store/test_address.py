"""URLs taken apart, and never shown with a password or a part of one."""

from __future__ import annotations

import pickle
from urllib.parse import quote

import pytest

from dask_serverless import Serverless
from dask_serverless.config import Settings
from dask_serverless.errors import ServerlessError
from dask_serverless.store.address import masked, parse
from dask_serverless.worker.invitation import Invitation

NASTY = [
    "hunter2", "hun/ter2", "hun@ter2", "hun#ter2", "hun?ter2", "hun:ter2", "hun[ter2", "hun]ter2",
    "12/hunter2", "12#hunter2", "12?hunter2", "12@hunter2", "@hunter2", "hunter2@", "hun%ter2",
    "hun ter2", "hun\N{FULLWIDTH COLON}ter2", "://hunter2", "12/@hunter2/@", "hun\\ter2",
]  # fmt: skip
SHAPES = [
    "redis://user:{}@host:6379/0", "redis://:{}@host", "rediss://:{}@host:6379",
    "redis+cluster://:{}@host", "unix://:{}@/run/socket", "user:{}@host:6379", ":{}@host",
    "redis:/:{}@host", "http://:{}@host", "redis://user:{}@host:port", "redis://:{}@host/database",
]  # fmt: skip


def parts(password: str) -> list[str]:
    """What must not be seen of a password: its longer pieces."""
    for separator in "/@#?:[]%\\ \N{FULLWIDTH COLON}":
        password = password.replace(separator, " ")
    return [part for part in password.split() if len(part) > 2]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("password", NASTY)
def test_no_part_of_a_password_is_shown(password: str, shape: str) -> None:
    url = shape.format(password)
    texts = [masked(url), repr(Invitation("run", "epoch", url))]
    try:
        texts += [repr(parse(url)), parse(url).shown]
        texts.append(repr(Settings.gather(store=url)))
    except ServerlessError as error:
        texts += [str(error), repr(error), str(pickle.loads(pickle.dumps(error)))]
        assert error.__cause__ is None
    for text in texts:
        assert not [part for part in parts(password) if part in text]


@pytest.mark.parametrize("password", NASTY)
def test_every_password_works_when_it_is_quoted(password: str) -> None:
    address = parse(f"redis://user:{quote(password, safe='')}@host:6380/2")
    assert (address.user, address.password, address.host) == ("user", password, "host")
    assert (address.port, address.database) == (6380, 2)


@pytest.mark.parametrize("password", ["12/hunter2", "12#hunter2", "12?hunter2", "a/b", "a#b"])
def test_a_torn_password_is_told_how_to_be_written(password: str) -> None:
    with pytest.raises(ServerlessError, match="%2F"):
        parse(f"redis://user:{password}@host:6379")


@pytest.mark.parametrize(
    "url",
    ["redis://host:6379/0", "s3://bucket/folder", "auto", "redis://[::1]:6379", "unix:///a:b/c"],
)
def test_what_has_no_password_is_shown_whole(url: str) -> None:
    assert masked(url) == url


def test_options_are_not_shown() -> None:
    url = "rediss://host:6379?ssl_password=hunter2"
    assert "hunter2" not in masked(url) + repr(parse(url)) + parse(url).shown


def test_settings_and_reprs_do_not_show_passwords() -> None:
    keywords = {"store": "redis://:hunter2@host", "blobs": "s3://key:hunter2@bucket/folder"}
    assert "hunter2" not in repr(Settings.gather(**keywords))
    for store in (b"redis://:hunter2@host", "redis://:hunter2"):
        with pytest.raises(ServerlessError) as caught:
            Serverless(store=store)
        assert "hunter2" not in str(caught.value) + repr(caught.value)
