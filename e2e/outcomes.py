"""What came of a request: whether it was refused, and what the buckets hold after it."""

import httpx

#: What the buckets hold: for each its keys with their ETags.
Contents = dict[str, set[tuple[str, str]]]


def refused(response: httpx.Response) -> None:
    """Stores name their refusals differently; what they share is the family."""
    assert response.status_code in {400, 403, 404, 405, 412, 501}, response.text
