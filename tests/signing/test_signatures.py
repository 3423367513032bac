"""Signatures: what they cover, byte by byte."""

from __future__ import annotations

import hmac
import pickle

import pytest
from attacked import SECRET, flipped

from dask_serverless.errors import NotAuthentic
from dask_serverless.signing.secret import INVITATIONS, STORE, Secret
from dask_serverless.signing.signatures import (
    BLOB,
    EVENT,
    FAILURE,
    LENGTH,
    OUTPUT,
    SPEC,
    VERSION,
    counted,
)

OURS = SECRET.signatures("run", "epoch")


@pytest.mark.parametrize("data", [b"", b"x", b"i" + bytes(1000)])
@pytest.mark.parametrize("claim", ["", "container.5f.12", "a claim with blanks" * 100])
def test_what_is_signed_is_opened_and_begins_as_it_did(data, claim):
    piece = OURS.signed(OUTPUT, 12, data, claim)
    assert piece.startswith(data)
    assert OURS.opened(OUTPUT, 12, piece) == data
    assert OURS.opened_any((SPEC, OUTPUT), piece) == data


def test_no_bit_can_be_changed():
    piece = OURS.signed(OUTPUT, 12, b"data", "claim")
    for position in range(len(piece)):
        with pytest.raises(NotAuthentic):
            OURS.opened(OUTPUT, 12, flipped(piece, position))


def test_nothing_can_be_cut_off_or_added():
    piece = OURS.signed(OUTPUT, 12, b"data", "claim")
    for end in range(len(piece)):
        with pytest.raises(NotAuthentic):
            OURS.opened(OUTPUT, 12, piece[:end])
    for longer in (piece + b"x", b"x" + piece, piece + piece):
        with pytest.raises(NotAuthentic):
            OURS.opened(OUTPUT, 12, longer)


@pytest.mark.parametrize(
    ("kind", "name"), [(OUTPUT, 1), (OUTPUT, 122), (OUTPUT, "1 2"), (SPEC, 12), ("out", "put 12")]
)
def test_a_piece_is_nothing_but_what_it_was_signed_as(kind, name):
    piece = OURS.signed(OUTPUT, 12, b"data")
    with pytest.raises(NotAuthentic, match="was signed as 'output 12'"):
        OURS.opened(kind, name, piece)


@pytest.mark.parametrize("kinds", [(FAILURE,), (EVENT,), (SPEC, BLOB), ("out",), ("output 12",)])
def test_nor_is_it_one_of_another_kind(kinds):
    piece = OURS.signed(OUTPUT, 12, b"data", "claim")
    with pytest.raises(NotAuthentic, match="was signed as 'output 12 claim'"):
        OURS.opened_any(kinds, piece)


def test_what_a_data_says_of_itself_is_no_subject():
    """Its end looks like a signed piece of another task, but is part of the data."""
    inner = OURS.signed(OUTPUT, 3, b"data")
    with pytest.raises(NotAuthentic):
        OURS.opened(OUTPUT, 3, OURS.signed(OUTPUT, 4, inner))


@pytest.mark.parametrize(
    "others",
    [
        SECRET.signatures("another", "epoch"),
        SECRET.signatures("run", "another"),
        SECRET.signatures("rune", "poch"),
        SECRET.signatures(),
        Secret("of somebody else entirely").signatures("run", "epoch"),
    ],
)
def test_other_runs_epochs_and_secrets_sign_otherwise(others):
    with pytest.raises(NotAuthentic, match="of the run run was altered, or signed with another"):
        OURS.opened(OUTPUT, 12, others.signed(OUTPUT, 12, b"data"))


@pytest.mark.parametrize("garbage", [b"", b"\xff" * 33, b"\xff" * 34, LENGTH.pack(9) + bytes(32)])
def test_what_is_no_signed_piece_is_refused(garbage):
    with pytest.raises(NotAuthentic):
        OURS.opened(OUTPUT, 12, garbage)


def test_code_over_parts_is_that_over_the_whole():
    subject = b"blob x"
    assert OURS.code(subject, b"ab", memoryview(b"c")) == OURS.code(subject, b"abc")


def test_codes_are_the_standard_hmac():
    head = b"".join(map(counted, (VERSION, "run", "epoch")))
    message = head + counted("output 12 claim") + b"data"
    expected = hmac.digest(SECRET.key(STORE), message, "sha256")
    assert OURS.code(b"output 12 claim", b"da", b"ta") == expected
    assert OURS.signed(OUTPUT, 12, b"data", "claim").endswith(expected)


def test_keys_differ_by_purpose_and_are_none_of_the_secret():
    keys = {SECRET.key(STORE), SECRET.key(INVITATIONS), SECRET.text.encode()}
    assert len(keys) == 3


def test_hkdf_is_the_standard_one():
    """As another implementation gives it (RFC 5869: extract, then one block of expand)."""
    import hashlib

    def hmac(key, data):
        key = key.ljust(64, b"\0")
        inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + data).digest()
        return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()

    extracted = hmac(b"dask-serverless", b"some secret of ours")
    assert Secret("some secret of ours").key("store") == hmac(extracted, b"store\x01")


def test_a_secret_is_never_shown():
    assert "known to" not in repr(SECRET) and "known to" not in str(SECRET)


def test_the_error_survives_pickling_and_says_what_to_do():
    error = pickle.loads(pickle.dumps(NotAuthentic("output 12", "run", "was altered")))
    assert (error.what, error.run) == ("output 12", "run")
    assert "WORKER_SECRET" in str(error)
    assert "docs/security.md" in str(error)
