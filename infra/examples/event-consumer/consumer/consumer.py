"""Keeps a copy of the contacts by their events, which come at least once and in any order.

Knows two rules, and they are all that a consumer needs: an event whose version is not higher than that of the copy is
dropped, unless it is more than an hour later, and the versions of a removed mailbox's contacts are forgotten. docs/events
has the reasons.
"""

import datetime
import json
import os
import time

import boto3

REMEMBER_DELETED = 30 * 24 * 3600  # seconds: far longer than an event can be late
ANOTHER_LIFE = 3600  # seconds: versions may have begun again; within one life, writers' clocks differ by far less

# Who is erased is deleted beside it, or was before: whoever keeps more than this copy erases that, too.
GONE = ("outlook-contact-sync.contact.deleted.v1", "outlook-contact-sync.contact.erased.v1")

table = boto3.resource("dynamodb").Table(os.environ.get("COPY_TABLE", "copy"))
NEWER = "attribute_not_exists(version) OR version < :version OR told_at < :another_life"


def handler(event, _context):
    """Takes a batch of the queue; what fails of it comes again."""
    failed = []
    for message in event["Records"]:
        try:
            take(json.loads(message["body"])["detail"])
        except Exception as error:  # whatever it is: this message comes again, the others don't
            print(json.dumps({"message": message["messageId"], "error": type(error).__name__}))
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def take(event):
    """Brings the copy up to an event, unless it is there already."""
    data = event["data"]
    told_at = int(datetime.datetime.fromisoformat(event["time"]).timestamp())
    values = {":version": data["version"], ":another_life": told_at - ANOTHER_LIFE}
    condition = {"ConditionExpression": NEWER, "ExpressionAttributeValues": values}
    item = {"contact": data["contactId"], "mailbox": data["mailbox"], "version": data["version"], "told_at": told_at}
    try:
        if event["type"] not in GONE:
            # Where `contact` is missing it was too large for an event: GET /v1/mailboxes/{mailbox}/contacts/{contact}.
            document = json.dumps(data["contact"]) if "contact" in data else None
            table.put_item(Item=item | {"document": document}, **condition)
        elif data.get("because") == "mailboxRemoved":
            table.delete_item(Key={"contact": data["contactId"]}, **condition)
        else:
            # The version is remembered, so that a late event doesn't bring the contact back; nothing else of it is.
            table.put_item(Item=item | {"ttl": int(time.time()) + REMEMBER_DELETED}, **condition)
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        pass  # late, or seen before
