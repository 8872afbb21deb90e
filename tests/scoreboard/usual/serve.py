"""The platform of the usual way, under the scoreboard's contract (docs/testing.md): serve.py, prints its URL.

A table of contacts with an API for each mailbox, and beside it sync.py as a process of its own. Knows the contract.
Must not know Graph.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sync import Table

WORKER = Path(__file__).with_name("sync.py")


class Mailbox:
    """A table, and the worker that keeps it in sync."""

    def __init__(self, folder: Path, account: dict[str, str], options: argparse.Namespace) -> None:
        self.path = str(folder / "contacts.sqlite")
        self.account = json.dumps(account).encode()
        self.options = options
        self.worker = self.start()

    def table(self) -> Table:
        return Table(self.path)

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(WORKER), self.path, str(self.options.every)]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert worker.stdin is not None
        worker.stdin.write(self.account)
        worker.stdin.close()
        return worker

    def stop(self) -> None:
        self.worker.kill()
        self.worker.wait()

    def kill(self) -> None:
        """The worker dies at once, and its supervisor starts another one."""
        self.stop()

        def again() -> None:
            time.sleep(self.options.restart)
            self.worker = self.start()

        threading.Thread(target=again, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """The contract."""

    protocol_version = "HTTP/1.1"
    mailboxes: dict[str, Mailbox] = {}
    numbers = itertools.count(1)
    options: argparse.Namespace
    root: Path

    def do_GET(self) -> None:
        match self.parts():
            case ["mailboxes", id, "contacts"] if box := self.mailboxes.get(id):
                items = [{"id": id, "contact": contact} for id, contact in box.table().present()]
                self.answer(200, {"items": items})
            case ["mailboxes", id, "log"] if id in self.mailboxes:
                self.answer(200, {"items": []})  # the usual way keeps none
            case _:
                self.answer(404)

    def do_POST(self) -> None:
        match self.parts():
            case ["mailboxes"]:
                asked = self.body()
                names = {"clientId": "client_id", "clientSecret": "client_secret"}
                account = {names.get(name, name): value for name, value in asked.items()}
                id = str(next(self.numbers))
                folder = self.root / id
                folder.mkdir()
                self.mailboxes[id] = Mailbox(folder, account, self.options)
                self.answer(201, {"id": id})
            case ["mailboxes", id, "contacts"] if box := self.mailboxes.get(id):
                self.answer(201, {"id": box.table().add(self.body()["contact"])})
            case ["mailboxes", id, "kill"] if box := self.mailboxes.get(id):
                box.kill()
                self.answer(200, {})
            case _:
                self.answer(404)

    def do_PATCH(self) -> None:
        match self.parts():
            case ["mailboxes", id, "contacts", contact] if box := self.mailboxes.get(id):
                self.answer(200 if box.table().edit(contact, self.body()["contact"]) else 404, {})
            case _:
                self.answer(404)

    def do_DELETE(self) -> None:
        match self.parts():
            case ["mailboxes", id] if box := self.mailboxes.pop(id, None):
                box.stop()
                self.answer(200, {})
            case ["mailboxes", id, "contacts", contact] if box := self.mailboxes.get(id):
                self.answer(200 if box.table().remove(contact) else 404, {})
            case _:
                self.answer(404)

    def parts(self) -> list[str]:
        """The path; and the body is read, wanted or not, since another request follows it on the line."""
        self.text = self.rfile.read(int(self.headers.get("content-length", 0)))
        return self.path.strip("/").split("/")

    def body(self) -> Any:
        return json.loads(self.text)

    def answer(self, status: int, body: Any = None) -> None:
        text = json.dumps(body or {}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=float, default=5, help="seconds between two rounds")
    parser.add_argument("--restart", type=float, default=2.5, help="seconds until a killed worker is replaced")
    Handler.options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        Handler.root = Path(root)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        # Whoever started it holds its standard input open, and closes it by ending: then this ends as well.
        threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
        server.serve_forever()
        for mailbox in Handler.mailboxes.values():
            mailbox.stop()


if __name__ == "__main__":
    main()
