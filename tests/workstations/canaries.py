"""Looks for secrets everywhere that a running medimgr writes, shows or passes on."""

import base64
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import psutil

from tests.running import MANAGE, ROOT, Instance


def forms(secret: str) -> set[bytes]:
    """Return what a secret looks like as it is, in a URL, in UTF-16, and in Base64 wherever it begins."""
    raws = [secret.encode(), secret.encode("utf-16-le")]
    found = {*raws, quote(secret).encode(), quote_plus(secret).encode(), secret[::-1].encode()}
    for raw in raws:
        for shift in range(3):
            # What is before and behind it changes the outermost letters.
            found.add(base64.b64encode(b"\0" * shift + raw)[4:-4])
    return {form for form in found if len(form) >= 8}


class Search:
    """What was looked through for which secrets, and where one was found."""

    def __init__(self, *secrets: str) -> None:
        self.forms = {form for secret in secrets for form in forms(secret)}
        self.looked_at: dict[str, int] = {}
        """How many bytes, by place."""
        self.found: list[str] = []

    def look(self, place: str, content: bytes | str) -> None:
        """Look through one text or file."""
        raw = content.encode() if isinstance(content, str) else content
        self.looked_at[place] = self.looked_at.get(place, 0) + len(raw)
        if any(form in raw for form in self.forms) and place not in self.found:
            self.found.append(place)

    def look_through(self, directory: Path) -> None:
        """Look through every file below ``directory``."""
        for path in directory.rglob("*"):
            if path.is_file():
                self.look(f"file {path.relative_to(directory)}", path.read_bytes())


class Onlooker:
    """Somebody else on this machine, who reads the arguments of all processes over and over."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="onlooker")

    def __enter__(self) -> "Onlooker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(20)

    def _look(self) -> None:
        while not self._done.wait(0.05):
            for process in psutil.process_iter(["cmdline"]):
                self.search.look("process arguments", "\0".join(process.info["cmdline"] or ()))


class Listener:
    """A page that follows the stream of events."""

    def __init__(self, client: httpx.Client, search: Search) -> None:
        self.search = search
        self.client = httpx.Client(base_url=client.base_url, cookies=client.cookies, timeout=60)
        self.heard = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener")

    def __enter__(self) -> "Listener":
        self._thread.start()
        assert self.heard.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._done = True
        self._thread.join(60)
        self.client.close()

    _done = False

    def _listen(self) -> None:
        topics = "workstation,emulator,operation,batch"
        with self.client.stream("GET", f"/events/?topics={topics}") as response:
            for chunk in response.iter_bytes():
                self.search.look("stream", chunk)
                self.heard.set()
                if self._done:
                    return


def manage(instance: Instance, *words: str, typed: str) -> "subprocess.CompletedProcess[str]":
    """Run ``manage.py`` with something on its standard input."""
    return subprocess.run(
        [*MANAGE, *words],
        cwd=ROOT,
        env=instance.env,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rows_of_all_tables(instance: Instance, *, but: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield every table's name with all that it holds, as text; ``but`` names columns that are left out."""
    from django.apps import apps

    with instance.database():
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            names = [field.attname for field in model._meta.concrete_fields]
            names = [name for name in names if name not in but.get(table, set())]
            for row in model._default_manager.values_list(*names):
                yield table, "\n".join(map(str, row))
