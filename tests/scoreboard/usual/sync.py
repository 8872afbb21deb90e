"""The usual way: list the contacts of Outlook every so often, and let the later write win.

Written as tutorials do it: the mailbox's contacts by paged GET, contacts known by their Outlook ids, an id that is
listed no more was deleted, `changeKey` to see what has changed, `lastModifiedDateTime` against the row's own time where
both sides have, and 429, 503 and 504 tried again. Knows Graph and the platform's table. Must not know that it is
being watched, nor that its Graph is a simulator.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

Contact = dict[str, Any]

PAGE = 100
ATTEMPTS = 4
TRY_AGAIN = {429, 503, 504}
TIMEOUT = 30.0
# Refreshed a little before it ends.
TOKEN_SLACK = 300
MEMBERS = (
    "givenName",
    "surname",
    "displayName",
    "companyName",
    "department",
    "jobTitle",
    "officeLocation",
    "nickName",
    "mobilePhone",
    "businessPhones",
    "homePhones",
    "emailAddresses",
    "categories",
    "personalNotes",
)

log = logging.getLogger("usual")


@dataclass(frozen=True)
class Account:
    """Whose mailbox, and as which app."""

    graph: str
    login: str
    tenant: str
    user: str
    client_id: str
    client_secret: str


class Graph:
    """The few requests that are needed, with a token and with retries."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.http = httpx.Client(timeout=TIMEOUT)
        self.token = ""
        self.token_ends = 0.0
        self.contacts = f"{account.graph}/v1.0/users/{account.user}/contacts"

    def list(self) -> dict[str, Contact]:
        """All contacts, by id."""
        url: str | None = self.contacts
        query: dict[str, Any] | None = {
            "$top": PAGE,
            "$select": ",".join(("id", "changeKey", "lastModifiedDateTime", *MEMBERS)),
        }
        found: dict[str, Contact] = {}
        while url:
            page = self.send("GET", url, query)
            found.update({contact["id"]: contact for contact in page["value"]})
            url, query = page.get("@odata.nextLink"), None
        return found

    def create(self, contact: Contact) -> Contact:
        return self.send("POST", self.contacts, body=contact)

    def update(self, id: str, contact: Contact) -> Contact:
        return self.send("PATCH", f"{self.contacts}/{id}", body=contact)

    def delete(self, id: str) -> None:
        try:
            self.send("DELETE", f"{self.contacts}/{id}")
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 404:
                raise

    def send(self, method: str, url: str, query: dict[str, Any] | None = None, body: Contact | None = None) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            headers = {"Authorization": f"Bearer {self.bearer()}"}
            answer = self.http.request(method, url, params=query, json=body, headers=headers)
            if answer.status_code not in TRY_AGAIN or attempt == ATTEMPTS:
                break
            time.sleep(float(answer.headers.get("Retry-After") or 2**attempt))
        if answer.status_code == 401:
            self.token = ""
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def bearer(self) -> str:
        if not self.token or time.time() > self.token_ends - TOKEN_SLACK:
            account = self.account
            form = {
                "grant_type": "client_credentials",
                "client_id": account.client_id,
                "client_secret": account.client_secret,
                "scope": f"{account.graph}/.default",
            }
            answer = self.http.post(f"{account.login}/{account.tenant}/oauth2/v2.0/token", data=form)
            answer.raise_for_status()
            issued = answer.json()
            self.token, self.token_ends = issued["access_token"], time.time() + issued["expires_in"]
        return self.token


class Table:
    """The platform's contacts, and what the sync remembers of each: Outlook's id and version, and whether it was edited."""

    def __init__(self, path: str) -> None:
        self.rows = sqlite3.connect(path, isolation_level=None, timeout=30)
        self.rows.row_factory = sqlite3.Row
        self.rows.execute("PRAGMA journal_mode = WAL")
        self.rows.execute(
            "CREATE TABLE IF NOT EXISTS contacts (id TEXT PRIMARY KEY, document TEXT NOT NULL, updated_at TEXT NOT NULL,"
            " edited INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, graph_id TEXT UNIQUE, graph_version TEXT)"
        )

    def all(self) -> list[sqlite3.Row]:
        return self.rows.execute("SELECT * FROM contacts").fetchall()

    def present(self) -> Iterator[tuple[str, Contact]]:
        for row in self.rows.execute("SELECT id, document FROM contacts WHERE NOT deleted ORDER BY id"):
            yield row["id"], json.loads(row["document"])

    # What the platform does.

    def add(self, contact: Contact) -> str:
        id = uuid.uuid4().hex
        self.rows.execute(
            "INSERT INTO contacts (id, document, updated_at, edited) VALUES (?, ?, ?, 1)", (id, json.dumps(contact), now())
        )
        return id

    def edit(self, id: str, members: Contact) -> bool:
        patch = self.rows.execute(
            "UPDATE contacts SET document = json_patch(document, ?), updated_at = ?, edited = 1 WHERE id = ? AND NOT deleted",
            (json.dumps(members), now(), id),
        )
        return patch.rowcount == 1

    def remove(self, id: str) -> bool:
        removal = self.rows.execute(
            "UPDATE contacts SET deleted = 1, updated_at = ?, edited = 1 WHERE id = ? AND NOT deleted", (now(), id)
        )
        return removal.rowcount == 1

    # What the sync does.

    def take(self, contact: Contact) -> None:
        """Outlook's contact, new or changed."""
        self.rows.execute(
            "INSERT INTO contacts (id, document, updated_at, edited, graph_id, graph_version) VALUES (?, ?, ?, 0, ?, ?)"
            " ON CONFLICT (graph_id) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at,"
            " edited = 0, deleted = 0, graph_version = excluded.graph_version",
            (
                uuid.uuid4().hex,
                json.dumps(members_of(contact)),
                contact["lastModifiedDateTime"],
                contact["id"],
                contact["changeKey"],
            ),
        )

    def pushed(self, row: sqlite3.Row, contact: Contact) -> None:
        """Outlook has the row as it was read, and answers with all that it has. An edit meanwhile stays one."""
        self.rows.execute(
            "UPDATE contacts SET graph_id = ?, graph_version = ?, edited = (updated_at <> ?),"
            " document = CASE updated_at WHEN ? THEN ? ELSE document END WHERE id = ?",
            (
                contact["id"],
                contact["changeKey"],
                row["updated_at"],
                row["updated_at"],
                json.dumps(members_of(contact)),
                row["id"],
            ),
        )

    def forget(self, row: sqlite3.Row) -> None:
        self.rows.execute("DELETE FROM contacts WHERE id = ?", (row["id"],))


def sync(graph: Graph, table: Table) -> None:
    """One round: everything of both sides."""
    outlook = graph.list()
    for row in table.all():
        theirs = outlook.pop(row["graph_id"], None)
        try:
            sync_one(graph, table, row, theirs)
        except httpx.HTTPStatusError as error:
            log.info("%s: %s", row["id"], error)
    for contact in outlook.values():
        table.take(contact)


def sync_one(graph: Graph, table: Table, row: sqlite3.Row, theirs: Contact | None) -> None:
    """What both sides have of one contact that the platform knows."""
    changed_there = theirs is not None and theirs["changeKey"] != row["graph_version"]
    if theirs is not None and changed_there and (not row["edited"] or later(theirs, row)):
        table.take(theirs)
    elif row["deleted"]:
        if theirs is not None:
            graph.delete(theirs["id"])
        table.forget(row)
    elif theirs is None and not row["edited"]:
        table.forget(row)  # it was deleted in Outlook
    elif theirs is None:
        table.pushed(row, graph.create(json.loads(row["document"])))
    elif row["edited"]:
        table.pushed(row, graph.update(theirs["id"], json.loads(row["document"])))


def later(theirs: Contact, row: sqlite3.Row) -> bool:
    return moment(theirs["lastModifiedDateTime"]) > moment(row["updated_at"])


def members_of(contact: Contact) -> Contact:
    return {name: contact[name] for name in MEMBERS if contact.get(name) not in (None, "", [])}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def main() -> None:
    """sync.py DATABASE SECONDS, with the account on standard input as JSON."""
    logging.basicConfig(level=logging.WARNING)
    database, every = sys.argv[1:]
    graph, table = Graph(Account(**json.load(sys.stdin))), Table(database)
    while True:
        try:
            sync(graph, table)
        except (httpx.HTTPError, json.JSONDecodeError, KeyError) as error:
            log.info("this round failed, the next one will do: %r", error)
        time.sleep(float(every))


if __name__ == "__main__":
    main()
