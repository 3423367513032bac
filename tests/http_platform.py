"""A platform that routes requests to containers: processes of the entry point behind a real nginx."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from awaiting import eventually

from dask_serverless.backends.entry_point import Address, EntryPoint, EntryPointError

ROOT = Path(__file__).parents[1]
TOKEN = secrets.token_hex(16)
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    limit_req_zone $server_name zone=slow:1m rate={rate}r/s;
    split_clients $request_id $fate {{ {fates} }}
    upstream containers {{
        {servers}
        keepalive 8;
    }}
    server {{
        listen 127.0.0.1:{port};
        location /worker/ {{
            limit_req zone=slow burst=1000;
            if ($fate = drop) {{ return 444; }}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 60s;
            proxy_next_upstream error timeout;
            proxy_pass http://containers/;
        }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def healthy(point):
    try:
        return point.ask("GET", "/health", None)[0] == 200
    except EntryPointError:
        return False


@contextmanager
def process(command, **environment):
    started = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(20)


class Platform:
    """So many containers, and what stands before them."""

    def __init__(self, stack, count, rate=10_000, dropped=0, **settings):
        if (nginx := shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")) is None:
            why = "nginx is not installed"
            pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/worker"
        self.ports = [free_port() for _ in range(count)]
        told = {"TOKEN": TOKEN, "HOST": "127.0.0.1", "INVITE_URL": self.url, **settings}
        environment = {f"WORKER_{name}": str(value) for name, value in told.items()}
        self.processes = [
            stack.enter_context(
                process(
                    [sys.executable, "-m", "worker_container"],
                    **{**environment, "WORKER_PORT": str(port), "WORKER_NAME": f"behind-{port}"},
                )
            )
            for port in self.ports
        ]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        file = Path(folder, "nginx.conf")
        servers = "\n".join(f"server 127.0.0.1:{port} max_fails=0;" for port in self.ports)
        fates = f"{dropped}% drop; * pass;" if dropped else "* pass;"
        file.write_text(
            CONFIGURATION.format(
                folder=folder, port=self.port, servers=servers, rate=rate, fates=fates
            )
        )
        stack.enter_context(process([nginx, "-c", str(file), "-e", f"{folder}/error.log"]))
        for port in self.ports:
            point = EntryPoint(Address("127.0.0.1", port, TOKEN))
            eventually(lambda point=point: healthy(point))
            point.close()
        eventually(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0)


@contextmanager
def platform(count=3, **options):
    with ExitStack() as stack:
        yield Platform(stack, count, **options)
