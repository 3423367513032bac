"""Invitations on their way: nobody reads them, changes them or keeps them for later."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time

import pytest
from attacked import SECRET, flipped

from dask_serverless.backends import sealed as sealing
from dask_serverless.backends.executor.pool import pack, unpack
from dask_serverless.backends.messages import Invite, bare, line_of
from dask_serverless.backends.sealed import LIFE_SECONDS, crossed, sealed, unsealed
from dask_serverless.errors import InvitationExpired, NotAuthentic
from dask_serverless.signing.secret import INVITATIONS, SEALS, STORE, Secret
from dask_serverless.worker.invitation import Invitation

INVITATION = Invitation("run", "epoch", "redis://user:hunter2@host:1", own="ds:own:ü", slot=3)


@pytest.mark.parametrize("own", ["", "x", "ü" * 1000])
def test_an_invitation_comes_out_as_it_went_in(own):
    invitation = Invitation("run", "epoch", "redis://host", own=own, warm_in=0.5)
    assert unsealed(sealed(invitation, SECRET), SECRET) == invitation


def test_nothing_of_it_can_be_read_and_no_two_are_alike():
    texts = [sealed(INVITATION, SECRET) for _ in range(2)]
    assert texts[0] != texts[1]
    for text in texts:
        assert b"hunter2" not in base64.b64decode(text)
        assert b"epoch" not in base64.b64decode(text)


def test_no_bit_of_it_can_be_changed():
    data = base64.b64decode(sealed(INVITATION, SECRET))
    for position in range(len(data)):
        with pytest.raises(NotAuthentic, match="was altered"):
            unsealed(base64.b64encode(flipped(data, position)).decode(), SECRET)


def test_it_is_hidden_by_hmac_in_counter_mode():
    """As another implementation gives it: what stands in one block says nothing of the next."""
    key, nonce = secrets.token_bytes(32), secrets.token_bytes(16)
    blocks = [hmac.digest(key, nonce + bytes((0, 0, 0, n)), "sha256") for n in range(3)]
    assert crossed(bytes(70), key, nonce) == b"".join(blocks)[:70]


@pytest.mark.parametrize("purpose", [SEALS, INVITATIONS])
def test_each_of_its_keys_is_for_one_purpose(purpose):
    keys = [SECRET.key(each) for each in (SEALS, INVITATIONS, STORE)]
    assert keys.count(SECRET.key(purpose)) == 1


@pytest.mark.parametrize(
    "text", [None, 3, "", "A", "AAAA", "!!!", {"run": "run", "epoch": "e", "store": ""}, ["x"]]
)
def test_what_is_not_sealed_is_refused(text):
    with pytest.raises(NotAuthentic, match="invitation"):
        unsealed(text, SECRET)


def test_another_secret_opens_nothing():
    with pytest.raises(NotAuthentic, match="another secret"):
        unsealed(sealed(INVITATION, Secret("of somebody else entirely")), SECRET)


@pytest.mark.parametrize("seconds", [LIFE_SECONDS + 5, -LIFE_SECONDS - 5])
def test_one_that_was_kept_is_refused_and_so_is_one_from_the_future(monkeypatch, seconds):
    now = time.time()
    monkeypatch.setattr(sealing.time, "time", lambda: now - seconds)
    text = sealed(INVITATION, SECRET)
    monkeypatch.undo()
    with pytest.raises(InvitationExpired, match="s old by this container's clock"):
        unsealed(text, SECRET)


def test_clocks_may_differ_by_minutes(monkeypatch):
    now = time.time()
    monkeypatch.setattr(sealing.time, "time", lambda: now - LIFE_SECONDS / 2)
    text = sealed(INVITATION, SECRET)
    monkeypatch.undo()
    assert unsealed(text, SECRET) == INVITATION


def test_what_lies_in_an_executors_pool_is_sealed_and_has_no_password():
    packed = pack(INVITATION, SECRET)
    assert b"hunter2" not in packed
    assert unpack(packed, "redis://user:hunter2@host:1", SECRET) == INVITATION
    forged = json.dumps(INVITATION.to_json()).encode()
    with pytest.raises(NotAuthentic):
        unpack(forged, "redis://host", SECRET)


def test_on_a_private_store_it_is_as_it_was():
    assert json.loads(pack(INVITATION, None))["run"] == "run"


def test_messages_of_containers_have_no_password():
    assert b"hunter2" not in line_of(bare(Invite(INVITATION)))


def test_long_secrets_and_short_ones_differ():
    assert len({Secret(secrets.token_hex(n)).key("store") for n in (8, 9, 200)}) == 3
