"""A client of the service."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from e2e.faults.backstage import Account
from local.pictures import picture
from sign_s3.keys import MEDIA_PREFIX

POSTS: Final = "images/posts/post_"
PROFILES: Final = "images/users/profiles/profile_"
#: Other bytes each, made once.
PICTURES: Final = tuple(picture("PNG", seed=seed) for seed in range(4))


@dataclass
class Phone:
    """A signed-in client that remembers what it uploaded."""

    http: httpx.Client
    account: Account
    #: The ETag S3 has to show for each key.
    etags: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.account.access}"}
        return self.http.request(method, path, json=body, headers=headers)

    def sign(self, path: str = POSTS, number: int = 1) -> httpx.Response:
        body = {"mime": "image/png", "path": path, "number": number}
        return self.call("POST", "/sign_s3/", body)

    def upload(self, path: str = POSTS, number: int = 1) -> list[str]:
        """Sign for and upload so many pictures; their keys less ``media/``."""
        signed = self.sign(path, number)
        assert signed.status_code == 201, signed.text
        keys = []
        for place, form in enumerate(signed.json()):
            data = PICTURES[place % len(PICTURES)]
            stored = self.http.post(form["url"], data=form["fields"], files={"file": ("x", data)})
            assert stored.status_code == 204, stored.text
            key: str = form["fields"]["key"].removeprefix(MEDIA_PREFIX)
            self.etags[key] = hashlib.md5(data).hexdigest()
            keys.append(key)
        return keys

    def post(self, *keys: str) -> httpx.Response:
        """Create a post of these pictures."""
        return self.call("POST", "/posts/", {"images": keys})

    def roll_back(self, *keys: str) -> httpx.Response:
        return self.call("DELETE", "/sign_s3/", {"keys": keys})
