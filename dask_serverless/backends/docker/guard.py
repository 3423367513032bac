"""Outlives a client that was killed, to remove what its pool has left; needs no part of ours.

``python -P guard.py POOL``: ends at a word on standard input, acts at its end.
"""

import sys
import time

GRACE_SECONDS = 3.0  # for containers to notice the same, and to clean up in the store
LABEL = "dask-serverless"


def main() -> None:
    pool = sys.argv[1]
    if sys.stdin.readline():
        return
    time.sleep(GRACE_SECONDS)
    import docker

    api = docker.from_env().api
    wanted = {"label": f"{LABEL}={pool}"}
    for container in api.containers(all=True, filters=wanted):
        try:
            api.remove_container(container["Id"], force=True, v=True)
        except docker.errors.APIError:
            pass  # it is about to go
    for network in api.networks(filters=wanted):
        api.remove_network(network["Id"])


if __name__ == "__main__":
    main()
