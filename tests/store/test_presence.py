"""Who looks at runs is seen without a key: also on a cluster, whichever node one knows."""

from __future__ import annotations

import pytest
from awaiting import eventually
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client.audience import Audience
from dask_serverless.dashboard.reader import Reader
from dask_serverless.store.connect import open_link

pytest.importorskip("bokeh")


def looks(url: str) -> bool:
    with open_link(url) as link:
        return Audience(shared=True).others_look(link)


def test_a_dashboard_on_one_node_of_a_cluster_is_seen_from_all(cluster_urls: list[str]) -> None:
    assert not any(map(looks, cluster_urls))
    reader = Reader(cluster_urls[0])
    try:
        eventually(lambda: all(map(looks, cluster_urls)))
    finally:
        reader.close()
    eventually(lambda: not any(map(looks, cluster_urls)))


def test_runs_on_a_cluster_are_shown_to_whoever_looks(cluster_urls: list[str]) -> None:
    reader = Reader(cluster_urls[0])
    client = None
    try:
        eventually(lambda: looks(cluster_urls[1]))
        client = Serverless(containers=1, store=cluster_urls[1])
        assert delayed(sum)([1, 2]).compute(scheduler=client) == 3
        run = eventually(lambda: reader.latest)
        assert run == client.last_run.run
        opened = reader.open(run)
        eventually(lambda: opened.view and opened.view.series.over)
        assert opened.view.series.done_bundles == client.last_run.bundles
    finally:
        reader.close()
        if client is not None:
            client.close()
