"""A container's life: from its settings to the end that its platform or its owner sets."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from dask_serverless.backends.asking import Asking
from dask_serverless.backends.http.endpoint import Endpoint
from dask_serverless.backends.http.settings import HttpSettings
from dask_serverless.backends.messages import Invite, Message
from dask_serverless.errors import SettingsError
from worker_container.newborn import Newborn
from worker_container.news import News
from worker_container.occupant import Occupant
from worker_container.peers import Peers
from worker_container.server import EntryPoint
from worker_container.settings import PREFIX, ContainerSettings

MOST_ASKED = 16  # requests for other containers, under way at once
OWNED = PREFIX + "OWNED"  # "1": the settings come over standard input, whose end is ours


def live(newborn: Newborn) -> None:
    owned = os.environ.get(OWNED) == "1"
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
    serve(settings, owned, newborn)


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
    occupant.start()
    entry = EntryPoint((settings.host, settings.port), settings.token, occupant, news)
    threading.Thread(target=entry.serve_forever, name="http", daemon=True).start()
    if owned:
        threading.Thread(target=await_owner, args=(occupant, end), daemon=True).start()
    end.wait()
    occupant.leave()
    entry.server_close()


def inviting(settings: ContainerSettings, news: News) -> Callable[[Message], object]:
    """Who is asked for a container that no peer is: the platform, or the owner."""
    if not settings.invite_url:
        return news.tell
    told = HttpSettings(settings.invite_url, settings.token)
    # What comes of it is no business of ours: the client's sweep asks again.
    asking = Asking(Endpoint(told, settings.shared), MOST_ASKED, lambda *_: None)

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
