"""The servers that medimgr's streams are measured against. None of them asks who is there."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.python_peers import environment
from tests.benchmarks.stream_peers.peer import StreamPeer

_HERE = Path(__file__).parent
_SITES = "tests.benchmarks.stream_peers"
_MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
_NGINX = """
load_module {module};
daemon off;
pid {directory}/pid;
error_log {directory}/errors;
worker_processes 1;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /events/ {{
      nchan_subscriber eventsource;
      nchan_channel_id bench;
      nchan_subscriber_first_message newest;
    }}
    location = /publish/ {{
      nchan_publisher;
      nchan_channel_id bench;
      nchan_message_buffer_length 100;
    }}
  }}
}}
"""


class Eventstream(StreamPeer):
    """django-eventstream in one process, without Redis and without storage."""

    title = "django-eventstream, Daphne"
    name = "eventstream"

    def version(self) -> str:
        """Return the versions."""
        return _versions(self.name, "django-eventstream", "Django", "daphne")

    def environment(self) -> Mapping[str, str]:
        """Return what its settings read."""
        return os.environ | {
            "BENCH_SECRET": "only-for-the-benchmarks-of-this-machine-0123456789",
            "BENCH_DATABASE": str(self.directory / "eventstream.sqlite3"),
        }

    def command(self) -> list[str]:
        """Return Daphne's command, as its documentation has it."""
        where = ["-b", "127.0.0.1", "-p", str(self.port), "--verbosity", "0"]
        return [_program(self.name, "daphne"), *where, f"{_SITES}.eventstream_site:application"]


class Starlette(StreamPeer):
    """sse-starlette on uvicorn, with uvloop and httptools."""

    title = "sse-starlette, uvicorn"
    name = "starlette"

    def version(self) -> str:
        """Return the versions."""
        return _versions(self.name, "sse-starlette", "starlette", "uvicorn", "uvloop")

    def command(self) -> list[str]:
        """Return uvicorn's command."""
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        return [_program(self.name, "uvicorn"), *where, f"{_SITES}.starlette_site:application"]


class Nchan(StreamPeer):
    """nginx with nchan, one worker process."""

    title = "nginx + nchan"
    waits_for_acknowledgements = True

    def version(self) -> str:
        """Return the versions."""
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None or not Path(_MODULE).exists():
            raise CannotMeasure("Not installed: apt-get install nginx-light libnginx-mod-nchan.")
        asked = [
            "dpkg-query",
            "--show",
            "--showformat",
            "${Package} ${Version} ",
            "nginx-light",
            "libnginx-mod-nchan",
        ]
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        return found.stdout.strip() or "?"

    def command(self) -> list[str]:
        """Write the configuration and return nginx's command."""
        # Its workers are another user's, who must reach the temporary directories.
        self.directory.chmod(0o755)
        path = self.directory / "nginx.conf"
        path.write_text(
            _NGINX.format(module=_MODULE, directory=self.directory, port=self.port, files=20000),
            encoding="utf-8",
        )
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        return [program, "-c", str(path), "-e", str(self.directory / "errors")]


def _program(name: str, program: str) -> str:
    return str(environment(name, _HERE / f"requirements-{name}.txt") / program)


def _versions(name: str, *packages: str) -> str:
    asked = [_program(name, "pip"), "show", *packages]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False)
    found = {}
    package = ""
    for line in listed.stdout.splitlines():
        word, _, value = line.partition(": ")
        if word == "Name":
            package = value
        elif word == "Version":
            found[package.lower().replace("_", "-")] = value
    return ", ".join(f"{one} {found.get(one.lower(), '?')}" for one in packages)
