"""Drives a running graph-sim with the official Python client, msgraph-sdk.

Usage: official_client.py URL TENANT APP SECRET USER CONTACTS_IN_DEFAULT_FOLDER FOLDERS

Prints one line for each story and ends with status 0, or with the exception of the first that fails.
"""

import asyncio
import datetime
import json
import queue
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.contact import Contact
from msgraph.generated.models.contact_folder import ContactFolder
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.physical_address import PhysicalAddress
from msgraph.generated.models.subscription import Subscription
from msgraph.generated.users.item.contacts.contacts_request_builder import ContactsRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent

IMMUTABLE = 'IdType="ImmutableId"'
NOTIFICATION_TIMEOUT_S = 20


class SimulatedLogin(AccessTokenProvider):
    """Client credentials at the simulator's token endpoint. azure-identity refuses an authority without TLS."""

    def __init__(self, url, tenant, app, secret):
        self._endpoint = f"{url}/{tenant}/oauth2/v2.0/token"
        self._form = {
            "client_id": app,
            "client_secret": secret,
            "grant_type": "client_credentials",
            "scope": "https://graph.microsoft.com/.default",
        }
        self._token = None

    async def get_authorization_token(self, uri, additional_authentication_context=None):
        if self._token is None:
            async with httpx.AsyncClient() as client:
                answer = await client.post(self._endpoint, data=self._form)
                answer.raise_for_status()
                self._token = answer.json()["access_token"]
        return self._token

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


class Webhook(BaseHTTPRequestHandler):
    """Answers the handshake and keeps notifications."""

    def do_POST(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if "validationToken" in query:
            self._answer(200, query["validationToken"][0].encode())
        else:
            self.server.received.put(json.loads(body))
            self._answer(202, b"")

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def preferring(*wishes, query=None):
    configuration = RequestConfiguration(query_parameters=query)
    configuration.headers.add("Prefer", ", ".join([IMMUTABLE, *wishes]))
    return configuration


def connect(url, tenant, app, secret):
    login = SimulatedLogin(url, tenant, app, secret)
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(login))
    adapter.base_url = f"{url}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


async def creates_patches_and_deletes(user):
    ada = Contact(
        given_name="Ada",
        surname="Lovelace",
        business_phones=["+44 1"],
        email_addresses=[EmailAddress(address="ada@example.com", name="Ada")],
        business_address=PhysicalAddress(city="London"),
    )
    made = await user.contacts.post(ada, preferring())
    assert made.display_name == "Ada Lovelace" and made.change_key, made
    assert made.email_addresses[0].address == "ada@example.com"
    one = user.contacts.by_contact_id(made.id)
    patched = await one.patch(Contact(job_title="Analyst"), preferring())
    assert patched.job_title == "Analyst" and patched.change_key != made.change_key
    read = await one.get(preferring())
    assert read.id == made.id and read.business_address.city == "London"
    stale = preferring()
    stale.headers.add("If-Match", made.additional_data.get("@odata.etag", f'W/"{made.change_key}"'))
    await refused(one.delete(stale), 412, "ErrorIrresolvableConflict")
    await one.delete(preferring())
    await refused(one.delete(preferring()), 404, "ErrorItemNotFound")


async def refused(call, status, code):
    try:
        await call
    except ODataError as error:
        assert (error.response_status_code, error.error.code) == (status, code), error
    else:
        raise AssertionError(f"{code} was expected")


async def lists_page_by_page(user, expected):
    query = ContactsRequestBuilder.ContactsRequestBuilderGetQueryParameters(
        top=40, select=["displayName", "emailAddresses"], count=True
    )
    page = await user.contacts.get(preferring(query=query))
    assert page.odata_count == expected, page.odata_count
    found = {contact.id for contact in page.value}
    while page.odata_next_link:
        page = await user.contacts.with_url(page.odata_next_link).get(preferring())
        found |= {contact.id for contact in page.value}
    assert len(found) == expected, (len(found), expected)


async def follows_delta(user):
    folder = await user.contact_folders.post(ContactFolder(display_name="Delta"))
    contacts = user.contact_folders.by_contact_folder_id(folder.id).contacts
    made = [await contacts.post(Contact(given_name=f"N{number}"), preferring()) for number in range(7)]

    async def round_from(page):
        rows = list(page.value)
        while page.odata_next_link:
            assert not page.odata_delta_link
            page = await contacts.delta.with_url(page.odata_next_link).get(preferring("odata.maxpagesize=3"))
            rows += page.value
        return rows, page.odata_delta_link

    rows, link = await round_from(await contacts.delta.get(preferring("odata.maxpagesize=3")))
    assert {row.id for row in rows} == {contact.id for contact in made}
    await user.contacts.by_contact_id(made[0].id).patch(Contact(job_title="Changed"), preferring())
    await user.contacts.by_contact_id(made[1].id).delete(preferring())
    rows, link = await round_from(await contacts.delta.with_url(link).get(preferring()))
    told = {row.id: "@removed" in row.additional_data for row in rows}
    assert told == {made[0].id: False, made[1].id: True}, told
    rows, _ = await round_from(await contacts.delta.with_url(link).get(preferring()))
    assert rows == []


async def walks_folders(user, expected):
    async def below(collection):
        names = []
        for folder in (await collection.get()).value:
            names.append(folder.display_name)
            names += await below(user.contact_folders.by_contact_folder_id(folder.id).child_folders)
        return names

    names = await below(user.contact_folders)
    assert len(names) == expected and "Contacts" not in names, names


async def batches(client, user):
    made = [await user.contacts.post(Contact(given_name=f"B{number}"), preferring()) for number in range(3)]
    content = BatchRequestContent()
    for contact in made:
        content.add_request_information(user.contacts.by_contact_id(contact.id).to_get_request_information(preferring()))
    answers = (await client.batch.post(content)).responses
    assert sorted(answer.status for answer in answers.values()) == [200, 200, 200], answers
    for contact in made:
        await user.contacts.by_contact_id(contact.id).delete(preferring())


async def subscribes(client, user, name):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    server.received = queue.Queue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = f"http://127.0.0.1:{server.server_address[1]}/notify?key=1"
    expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)
    wanted = Subscription(
        change_type="created,updated,deleted",
        resource=f"users/{name}/contacts",
        notification_url=hook,
        lifecycle_notification_url=hook,
        client_state="from python",
        expiration_date_time=expires,
    )
    made = await client.subscriptions.post(wanted, preferring())
    assert made.id and made.client_state == "from python"
    await refused(client.subscriptions.post(wanted, preferring()), 409, "Conflict")
    contact = await user.contacts.post(Contact(given_name="Watched"), preferring())
    item = (await asyncio.to_thread(server.received.get, timeout=NOTIFICATION_TIMEOUT_S))["value"][0]
    assert (item["subscriptionId"], item["clientState"]) == (str(made.id), "from python"), item
    assert (item["changeType"], item["resourceData"]["id"]) == ("created", contact.id), item
    one = client.subscriptions.by_subscription_id(made.id)
    later = await one.patch(Subscription(expiration_date_time=expires + datetime.timedelta(days=1)))
    assert later.expiration_date_time > made.expiration_date_time
    await one.reauthorize.post()
    listed = (await client.subscriptions.get()).value
    assert [it.id for it in listed] == [made.id] and listed[0].client_state is None
    await one.delete()
    assert (await client.subscriptions.get()).value == []
    await user.contacts.by_contact_id(contact.id).delete(preferring())
    server.shutdown()


async def main(url, tenant, app, secret, name, contacts, folders):
    client = connect(url, tenant, app, secret)
    user = client.users.by_user_id(name)
    stories = [
        ("lists page by page", lists_page_by_page(user, contacts)),
        ("creates, patches and deletes", creates_patches_and_deletes(user)),
        ("walks folders", walks_folders(user, folders)),
        ("follows delta", follows_delta(user)),
        ("batches", batches(client, user)),
        ("subscribes", subscribes(client, user, name)),
    ]
    for title, story in stories:
        await story
        print(f"ok: {title}", flush=True)


if __name__ == "__main__":
    *words, contacts, folders = sys.argv[1:]
    asyncio.run(main(*words, int(contacts), int(folders)))
