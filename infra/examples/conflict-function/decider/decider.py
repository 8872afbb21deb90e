"""Decides conflicts: keeps the texts of both sides where both have one, and leaves the rest to the fallback policy.

Knows the form of the question and of the answer, which docs/conflicts.md describes. It is asked about values only, never
about folders or deletes, and only about members that both sides have changed.
"""


def handler(question, _context):
    """Answers with the values to be kept, by member. A member that is left out is decided by the fallback policy."""
    kept = {name: joined(question["platform"].get(name), question["outlook"].get(name)) for name in question["members"]}
    return {"members": {name: value for name, value in kept.items() if value is not None}}


def joined(ours, theirs):
    """Both texts in one; None where one of them is no text, such as an address, or nothing."""
    if isinstance(ours, str) and isinstance(theirs, str) and ours and theirs:
        return f"{ours} and {theirs}"
    return None
