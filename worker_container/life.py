"""A container's life: from its settings to the end that its platform or its owner sets."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from errno import EACCES, EADDRINUSE

from dask_serverless.backends.asking import Asking
from dask_serverless.backends.http.endpoint import Endpoint
from dask_serverless.backends.messages import Invite, Message
from dask_serverless.errors import SettingsError
from worker_container.newborn import Newborn
from worker_container.news import News
from worker_container.occupant import Occupant
from worker_container.peers import Peers
from worker_container.server import EntryPoint
from worker_container.settings import OWNED, PREFIX, ContainerSettings

MOST_ASKED = 16  # requests for other containers, under way at once
OF_PORTS = {EADDRINUSE, EACCES}  # what is wrong with an address is wrong with its host otherwise


def live(newborn: Newborn) -> None:
    owned = os.environ.get(PREFIX + OWNED.upper()) == "1"
    try:
        settings = (
            ContainerSettings.from_owner(sys.stdin.buffer)
            if owned
            else ContainerSettings.from_environment(os.environ)
        )
    except SettingsError as error:
        sys.exit(str(error))
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]  # tasks are not to find the token there
    try:
        serve(settings, owned, newborn)
    except SettingsError as error:
        sys.exit(str(error))


def serve(settings: ContainerSettings, owned: bool, newborn: Newborn) -> None:
    """Until the platform sends SIGTERM, or the owner is gone."""
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    news = News()
    peers = Peers(
        settings.name, settings.port, settings.token, inviting(settings, news), settings.shared
    )
    occupant = Occupant(settings, news.tell, peers, owned, newborn)
    entry = listening(settings, occupant, news)  # before anything is started
    occupant.start()
    threading.Thread(target=entry.serve_forever, name="http", daemon=True).start()
    if owned:
        threading.Thread(target=await_owner, args=(occupant, end), daemon=True).start()
    end.wait()
    occupant.leave()
    entry.server_close()


def listening(settings: ContainerSettings, occupant: Occupant, news: News) -> EntryPoint:
    try:
        return EntryPoint((settings.host, settings.port), settings.token, occupant, news)
    except (OSError, UnicodeError) as error:  # no name of a host has two dots in a row
        why = getattr(error, "strerror", None) or str(error)
        whose = "PORT" if getattr(error, "errno", None) in OF_PORTS else "HOST"
        where = f"{settings.host}:{settings.port}"
        problem = f"leads to {where}, where this container cannot listen: {why}."
        raise SettingsError(PREFIX + whose, problem) from None


def inviting(settings: ContainerSettings, news: News) -> Callable[[Message], object]:
    """Who is asked for a container that no peer is: the platform, or the owner."""
    if settings.platform is None:
        return news.tell
    # What comes of it is no business of ours: the client's sweep asks again.
    asking = Asking(Endpoint(settings.platform, settings.shared), MOST_ASKED, lambda *_: None)

    def ask(message: Message) -> None:
        if isinstance(message, Invite):
            asking.ask(message.invitation)

    return ask


def await_owner(occupant: Occupant, end: threading.Event) -> None:
    """Without an owner nobody waits for the runs: nothing of them is to be left, here or there.

    Not through sys.stdin: at its end the interpreter wants the lock that a reader there holds.
    """
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    occupant.close()
    end.set()
