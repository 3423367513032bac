"""What goes away while a client lives: its image, its network, the daemon. And what comes back."""

from __future__ import annotations

import secrets
import threading

import dask
import pytest
from awaiting import eventually
from dask import delayed
from docker_engine import BASE, left
from docker_relay import Relay
from docker_tasks import sleep_once

from dask_serverless import Serverless
from dask_serverless.errors import ImageNotBuilt, PlatformUnavailable

pytestmark = pytest.mark.docker

TOLD = {"backend": "docker", "containers": 1, "memory": "512 MiB", "cpus": 1.0, "base": BASE}


def total(*numbers, client):
    return dask.compute(delayed(sum)(numbers), scheduler=client)[0]


def test_an_image_and_a_network_that_were_removed_are_made_again(daemon):
    """While no container is there both count as unused: `docker system prune --all` takes them."""
    with Serverless(**TOLD, idle_seconds=0.5) as client:
        assert total(1, 2, client=client) == 3
        site = client._engine.backend.site
        eventually(lambda: not site.pool.cells)
        eventually(lambda: not daemon.api.containers(all=True, filters=of(site)))
        daemon.api.remove_image(site.image, force=True, noprune=True)
        daemon.api.remove_network(site.name)
        assert total(3, 4, client=client) == 7
        assert daemon.has_image(site.image)
    assert not [name for name in left(daemon) if site.name in str(name)]


def of(site):
    return {"label": f"dask-serverless={site.name}"}


def test_what_was_refused_is_tried_again_by_the_next_run(daemon):
    """`docker pull` in another window, and the same client goes on."""
    repository, tag = f"localhost:1/dask-serverless-test-{secrets.token_hex(4)}", "1"
    with Serverless(**{**TOLD, "base": f"{repository}:{tag}"}) as client:
        for _ in range(2):
            with pytest.raises(ImageNotBuilt, match=repository):
                total(1, 2, client=client)
        daemon.api.tag(BASE, repository, tag)
        try:
            assert total(1, 2, client=client) == 3
        finally:
            daemon.api.remove_image(f"{repository}:{tag}")


@pytest.fixture
def relay(daemon, tmp_path, monkeypatch):
    made = Relay(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", made.url)
    return made


def test_a_daemon_that_is_started_again_ends_runs_with_one_error_and_serves_the_next(relay, daemon):
    with Serverless(**TOLD, attempts=1) as client:
        assert total(1, 2, client=client) == 3
        site = client._engine.backend.site
        outcomes = []
        thread = threading.Thread(target=lambda: outcomes.append(outcome(client)))
        thread.start()
        eventually(lambda: any(cell.process for cell in site.pool.cells.values()))
        relay.cut()
        for each in daemon.api.containers(filters=of(site)):  # as a daemon that stops does
            daemon.remove(each["Id"])
        thread.join(60)
        (error,) = outcomes
        assert isinstance(error, PlatformUnavailable)
        assert "no Docker daemon answers any more" in str(error)
        assert "systemctl start docker" in str(error)
        born = site.pool.born
        with pytest.raises(PlatformUnavailable, match="no Docker daemon answers any more"):
            total(1, 2, client=client)
        assert site.pool.born - born < 10, "it was asked again and again"
        relay.open()
        assert total(3, 4, client=client) == 7
    assert not [name for name in left(daemon) if site.name in str(name)]


def test_while_the_daemon_is_gone_a_lost_run_tells_of_that(relay, daemon):
    """Containers that live a little longer than it take their client for dead, and clear its runs."""
    with Serverless(**TOLD) as client:
        assert total(1, 2, client=client) == 3
        backend = client._engine.backend
        assert backend.outage() is None
        relay.cut()
        assert isinstance(backend.outage(), PlatformUnavailable)
        relay.open()
        assert backend.outage() is None


def outcome(client):
    try:
        return dask.compute(*[delayed(sleep_once)(0.5, n) for n in range(100)], scheduler=client)
    except Exception as error:
        return error
