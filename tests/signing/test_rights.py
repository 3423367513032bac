"""The rights that docs/security.md names suffice for a run, and for nothing else."""

from __future__ import annotations

import pickle
import re
import secrets
import sys
import time
import warnings
from contextlib import ExitStack
from pathlib import Path

import dask
import dask.array as da
import pytest
from awaiting import eventually
from dask import delayed
from dask.utils import SerializableLock
from documented_rights import DOCUMENT, LINES, as_user, denials, grant, more
from http_platform import free_port, healthy, process
from store_servers import Servers, cluster

import dask_serverless
from dask_serverless import Serverless
from dask_serverless.backends.entry_point import Address, EntryPoint
from dask_serverless.dashboard.reader import Reader
from dask_serverless.errors import StoreCommandFailed, StoreDenied
from dask_serverless.history.opening import open_history
from dask_serverless.history.redis import KEYS
from dask_serverless.store import replies
from dask_serverless.store.address import Address as StoreAddress
from dask_serverless.store.address import parse
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link

SCRIPTS = Path(dask_serverless.__file__).parent
CALLED = re.compile(r"redis\.p?call\('(\w+)'")
TOKEN = secrets.token_hex(16)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With the documented users, for two tenants."""
    with ExitStack() as stack:
        url = Servers(tmp_path_factory.mktemp("rights"), stack)()
        with open_link(url) as link:
            grant(link, "alice", "bob")
        yield url


@pytest.fixture
def denied(server):
    """What users were refused since the test began: also what nobody has heard of."""
    with open_link(server) as link:
        link.call(("ACL", "LOG", "RESET"))

        yield lambda: denials(link)


def add(total, lock):
    with lock:
        return total + 1


def compute(client):
    x = da.ones((300, 300), chunks=(100, 100))
    assert float(dask.compute((x + x.T).sum(), scheduler=client)[0]) == 180_000
    lock = SerializableLock()
    total = delayed(sum)([delayed(add)(n, lock) for n in range(5)])
    assert dask.compute(total, scheduler=client) == (15,)
    with pytest.raises(ZeroDivisionError):
        dask.compute(delayed(divmod)(1, 0), scheduler=client)


def test_there_is_a_line_for_clients_one_for_containers_and_one_for_dashboards():
    assert [line.split()[2] for line in LINES] == ["alice", "alice_containers", "alice_dashboard"]


@pytest.mark.parametrize(
    ("user", "folders"),
    [
        ("alice", ["coordination", "blobs", "backends/executor", "client", "history"]),
        ("alice_containers", ["coordination", "blobs"]),
    ],
)
def test_users_may_run_every_command_that_their_scripts_call(user, folders):
    """A run comes to some of them only with sizes, slots or plans that do not come true."""
    (line,) = [line for line in LINES if line.split()[2] == user]
    files = [file for folder in folders for file in (SCRIPTS / folder / "lua").rglob("*.lua")]
    called = {name.lower() for file in files for name in CALLED.findall(file.read_text())}
    if user != "alice":
        called -= {"xgroup"}  # as a run is submitted
    assert len(called) > 20
    assert called - {word[1:].partition("|")[0] for word in line.split()} == set()


def test_runs_of_a_client_with_its_rights(server):
    with Serverless(store=as_user(server, "alice"), containers=2, inline_bytes=0) as client:
        compute(client)
        assert client.last_run.run.startswith("alice-")
    with open_link(server) as link:
        assert link.call(("KEYS", "*")) == [[]]


def test_clients_have_the_rights_for_the_history_that_they_keep_without_being_told(server, denied):
    """Else the first compute of each of them would warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Serverless(store=as_user(server, "bob"), containers=1, history=True) as client:
            assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)
            open_history(client.settings).save()
            assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)
    with open_link(as_user(server, "bob")) as link:
        assert link.call(("HLEN", KEYS[0]))[0] > 0
        link.call(("UNLINK", *KEYS))
    assert {user for user, _ in denied()} <= {"bob"} and set(denied()) <= {("bob", "pubsub|numsub")}


def test_a_client_without_the_rights_for_a_history_is_told_them_once(server):
    """Neither its password nor what is in the history has anything to do with it."""
    with open_link(server) as link:
        grant(link, "dave")
        link.call(("ACL", "SETUSER", "dave", "resetkeys", "~ds:{dave-*", "~ds:own:dave-*"))
    with Serverless(store=as_user(server, "dave"), containers=1, history=True) as client:
        with pytest.warns(UserWarning, match="NOPERM") as caught:
            for _ in range(2):
                assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)
    (told,) = [str(each.message) for each in caught]
    assert "Grant `~ds:history:*`" in told and "history=..." in told
    assert "--forget-all" not in told and "password" not in told


@pytest.mark.parametrize(
    ("command", "rights"),
    [
        (("GET", "ds:history:{all}:entries"), "~ds:history:*"),
        (("XREVRANGE", "ds:watched", "+", "-"), "~ds:watched"),
        (("SUBSCRIBE", "ds:watching:x"), "&ds:watching:* +subscribe +ttl"),
        (("GET", "ds:{bob-1}:header"), "a right"),
        (("EVAL", "return redis.call('GET', 'ds:{bob-1}:header')", "0"), "a right"),
    ],
    ids=lambda told: told[0] if isinstance(told, tuple) else "",
)
def test_who_is_known_hears_of_rights_and_not_of_passwords(server, command, rights):
    with open_link(server) as link:
        grant(link, "erin")
        link.call(("ACL", "SETUSER", "erin", "resetkeys", "~ds:{erin-*"))
    with open_link(as_user(server, "erin")) as link:
        with pytest.raises(StoreDenied, match="lacks .*" + re.escape(rights)) as caught:
            link.call(command)
    assert caught.value.known and "password" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_rights_that_errors_name_are_the_documented_ones():
    documented = DOCUMENT.read_text()
    for rights in (*replies.EXTRA_RIGHTS.values(), replies.READING_HISTORY):
        assert rights in documented


def test_a_plan_with_slots_and_times_needs_no_more(server, denied, tmp_path):
    """Its second run knows how long tasks take: who waits too long for its slot is looked for."""
    with Serverless(
        store=as_user(server, "alice"), containers=2, planner="list_schedule", inline_bytes=0,
        history=str(tmp_path / "history"), logs=True,
    ) as client:  # fmt: skip
        for _ in range(3):
            tasks = [delayed(nap)(0.01, n) for n in range(8)]
            assert dask.compute(delayed(sum)(tasks), scheduler=client) == (28,)
    assert set(denied()) <= {("alice", "pubsub|numsub")}  # nobody else is to look


def nap(seconds, value):
    time.sleep(seconds)
    print(value)
    return value


def test_runs_on_an_executor_with_the_clients_rights(server):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        with Serverless(store=as_user(server, "alice"), backend=pool, containers=2) as client:
            assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)


def test_runs_on_containers_with_rights_of_their_own(server):
    port = free_port()
    environment = {
        "WORKER_TOKEN": TOKEN, "WORKER_HOST": "127.0.0.1", "WORKER_PORT": str(port),
        "WORKER_STORE": as_user(server, "alice_containers"),
    }  # fmt: skip
    with process([sys.executable, "-m", "worker_container"], **environment):
        point = EntryPoint(Address("127.0.0.1", port, TOKEN))
        eventually(lambda: healthy(point))
        point.close()
        settings = {"url": f"http://127.0.0.1:{port}", "token": TOKEN}
        store = as_user(server, "alice")
        with Serverless(store=store, backend="http", containers=1, **settings) as client:
            compute(client)


def test_runs_on_a_cluster_with_the_rights_for_that_and_a_dashboard_that_sees_them(tmp_path):
    """With nothing that is not named: each node's own log of what it denied stays empty."""
    with ExitStack() as stack:
        urls = cluster(Servers(tmp_path, stack))
        nodes = [stack.enter_context(Link(parse(url))) for url in urls]
        for node in nodes:
            grant(node, "alice", added=more("a cluster"))
            for user in ("alice", "alice_containers"):
                node.call(("ACL", "SETUSER", user, *more("runs that dashboards show")))
        store = urls[0].replace("redis:", "redis+cluster:")
        reader = Reader(as_user(store, "alice_dashboard"))
        try:
            eventually(lambda: reader.known.is_set() or reader.trouble)
            with Serverless(store=as_user(store, "alice"), containers=2, inline_bytes=0) as client:
                eventually(lambda: seen(client, reader))
                compute(client)
            opened = reader.open(reader.latest)
            eventually(lambda: opened.view or opened.trouble)
            assert (reader.trouble, opened.trouble) == ("", "")
        finally:
            reader.close()
        assert [denials(node) for node in nodes] == [[], [], []]


def seen(client, reader):
    """Clients look for dashboards now and then."""
    client._ready().audience.looked = -1e9
    dask.compute(delayed(sum)([1, 2]), scheduler=client)
    return reader.latest.startswith("alice-")


FORBIDDEN = [
    ("CONFIG", "GET", "*"), ("FLUSHALL",), ("FLUSHDB",), ("KEYS", "*"), ("SCAN", "0"),
    ("RANDOMKEY",), ("DBSIZE",), ("DEBUG", "SLEEP", "0"), ("ACL", "LIST"), ("ACL", "SETUSER", "x"),
    ("SHUTDOWN", "NOSAVE"), ("MONITOR",), ("SAVE",), ("BGSAVE",), ("SCRIPT", "FLUSH"),
    ("REPLICAOF", "NO", "ONE"), ("CLIENT", "LIST"), ("CLIENT", "KILL", "ID", "1"), ("MIGRATE", "host", "1", "key", "0", "1"),
    ("PUBLISH", "x", "y"), ("SUBSCRIBE", "x"), ("SWAPDB", "0", "1"), ("RENAME", "a", "b"),
]  # fmt: skip


@pytest.mark.parametrize("user", ["alice", "alice_containers"])
@pytest.mark.parametrize("command", FORBIDDEN, ids=" ".join)
def test_a_command_that_is_not_needed_is_refused(server, user, command):
    with open_link(as_user(server, user)) as link:
        with pytest.raises(
            (StoreDenied, StoreCommandFailed), match=r"NOPERM|permission|not allowed"
        ):
            link.call(command)


TOUCHED = [
    ("GET", "ds:blob:bob-1/claim-0:0"), ("SET", "ds:blob:bob-1/claim-0:0", "x"),
    ("HGETALL", "ds:{bob-1}:out"), ("HSET", "ds:{bob-1}:out", "1", "x"),
    ("SET", "ds:own:bob-http:x", "code"), ("UNLINK", "ds:{bob-1}:meta"), ("GET", "anything"),
    ("EVAL", "return redis.call('GET', KEYS[1])", "1", "ds:{bob-1}:header"),
    ("EVAL", "return redis.call('GET', 'ds:{bob-1}:header')", "0"),
    ("EVAL", "return redis.call('FLUSHALL')", "0"),
]  # fmt: skip


@pytest.mark.parametrize("user", ["alice", "alice_containers"])
@pytest.mark.parametrize("command", TOUCHED, ids=" ".join)
def test_the_keys_of_another_tenant_are_out_of_reach(server, user, command):
    with open_link(as_user(server, user)) as link:
        with pytest.raises((StoreDenied, StoreCommandFailed), match=r"NOPERM|permission|can't"):
            link.call(command)


def test_what_the_rights_do_not_allow_is_one_clear_error(server):
    with open_link(server) as link:
        link.call(("ACL", "SETUSER", "carol", "on", ">wonderland", "~*", "+@all", "-evalsha"))
    with Serverless(store=as_user(server, "carol"), containers=1) as client:
        with pytest.raises(StoreDenied, match="evalsha"):
            dask.compute(delayed(sum)([1]), scheduler=client)


def test_no_process_and_no_log_shows_a_password_or_a_secret(server, capfd, caplog):
    """As `ps` sees them: of all processes, while containers are at work."""
    password, secret = secrets.token_hex(16), secrets.token_hex(16)
    with open_link(server) as link:
        link.call(("ACL", "SETUSER", "dora", "on", f">{password}", "~ds:*", "+@all"))
    store = server.replace("redis://", f"redis://dora:{password}@")
    with Serverless(store=store, containers=1, secret=secret) as client:
        seen = dask.compute(delayed(commands)(), scheduler=client)[0]
        assert b"pytest" in seen  # it does see them
        shown = [repr(client), repr(client.settings), repr(client._engine), str(seen)]
    out, err = capfd.readouterr()
    for text in (*shown, out, err, caplog.text):
        assert password not in text
        assert secret not in text


def commands():
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:  # it has ended
            continue
    return b"".join(found)


@pytest.mark.parametrize(
    ("user", "tenant"),
    [
        ("alice", "alice-"),
        ("a_1", "a_1-"),
        ("default", ""),
        ("", ""),
        ("a-b", ""),
        ("ä", ""),
        ("*", ""),
    ],
)
def test_runs_are_named_after_users_whose_names_are_plain(user, tenant):
    """A hyphen in one would let alice's rights cover what is alice-bob's."""
    assert StoreAddress("redis", "host", user=user).tenant == tenant
