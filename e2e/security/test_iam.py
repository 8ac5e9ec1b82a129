"""The policies of docs/security.md: with them the whole job works, and nothing else does.

Both S3s evaluate IAM policies, and without ``s3:ListBucket`` a missing object is a 403 and not a
404, as on AWS. What Ceph's radosgw makes of ACLs and forms otherwise is said in the document.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from e2e.databases import own_database
from e2e.live import LiveService
from e2e.outcomes import refused
from e2e.security.person import PICTURES, Person, codes
from e2e.test_multipart import Upload
from local import service
from local.ceph import RadosGateway
from local.pictures import picture
from local.processes import Child, free_port, run, wait_until
from local.s3 import EmbeddedS3
from local.store import Store
from sign_s3.keys import new_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DOCUMENT: Final = service.BASE_DIR / "docs" / "security.md"
#: The names of the buckets in the document.
INCOMING, MEDIA = "example-incoming", "example-media"
PATH: Final = "media/images/posts/post_"


def documented(name: str, names: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """The policy that the document gives under this name, with some names replaced."""
    section = rf"^#### {name}\n.*?^```json\n(.*?)^```"
    found = re.search(section, DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, name
    text = found[1]
    for old, new in names.items():
        text = text.replace(old, new)
    policy: dict[str, Any] = json.loads(text)
    return policy


@dataclass(frozen=True)
class Cloud:
    """An S3 with one user for each set of documented policies."""

    root: Store
    users: dict[str, Store]

    def client(self, name: str) -> "S3Client":
        store = self.users[name]
        client: S3Client = boto3.client(
            "s3",
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            region_name=store.region,
            endpoint_url=store.endpoint_url,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"max_attempts": 1},
            ),
        )
        return client


@pytest.fixture(scope="module")
def on_ceph(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("s3") == "ceph")


@pytest.fixture(scope="module")
def cloud(s3_server: Store, s3_process: EmbeddedS3 | RadosGateway, on_ceph: bool) -> Cloud:
    rights = {
        "web": {name: documented(name) for name in ("Signing", "Promoting")},
        "signing": {"Signing": documented("Signing")},
        "uploading": {"Uploading": documented("Uploading")},
        "sweeper": {"Sweeping": documented("Sweeping")},
        "nobody": {},
    }
    if on_ceph:
        rights["web"] |= {"Deleting": documented("Deleting on Ceph")}
        rights["sweeper"] |= {"Deleting": documented("Deleting on Ceph", {INCOMING: MEDIA})}
    root = replace(s3_server, incoming=INCOMING, media=MEDIA)
    users = {
        name: replace(s3_process.add_user(name, policies), incoming=INCOMING, media=MEDIA)
        for name, policies in rights.items()
    }
    made = Cloud(root, {"root": root, **users})
    with closing(made.client("root")) as s3:
        for bucket in (INCOMING, MEDIA):
            s3.create_bucket(Bucket=bucket)
        if on_ceph:
            # Before `setup_buckets` has policies refused that open a bucket, which radosgw takes
            # this one for.
            for_web = documented("Forms on Ceph", {"user/sign-s3-web": "user/web"})
            for_web["Statement"][0]["Principal"]["AWS"].append("arn:aws:iam:::user/signing")
            s3.put_bucket_policy(Bucket=INCOMING, Policy=json.dumps(for_web))
    return made


@pytest.fixture(scope="module")
def restricted(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """The service with the rights of `web`, its sweep with those of `sweeper`."""
    state = tmp_path_factory.mktemp("restricted")
    port = free_port()
    children: list[Child] = []
    with own_database(state) as database_url:

        def env(store: Store) -> dict[str, str]:
            overrides = {"DATABASE_URL": database_url, "RATE_SIGN_UP": "1000/min"}
            secret = os.environ["SECRET_KEY"]
            return service.environment(store, secret_key=secret, overrides=overrides)

        try:
            command = [sys.executable, "-m", "local.prepare"]
            run("the preparation", command, env=env(cloud.root), log=state / "prepare.log")
            web = service.serve(
                env(cloud.users["web"]), port=port, workers=1, log=state / "web.log"
            )
            children.append(web)
            children.append(service.sweep(env(cloud.users["sweeper"]), log=state / "sweep.log"))
            wait_until(lambda: service.healthy(port), web, patience=60)
            url = f"http://127.0.0.1:{port}"
            yield LiveService(url, cloud.root, env(cloud.users["sweeper"]), tuple(children))
        finally:
            for child in reversed(children):
                child.stop()


@pytest.fixture(scope="module")
def alice(restricted: LiveService) -> Iterator[Person]:
    with httpx.Client(base_url=restricted.url, trust_env=False, timeout=30) as http:
        made = Person(http, "alice")
        made.sign_up()
        yield made


def test_the_whole_job_works_with_the_documented_rights(
    alice: Person, restricted: LiveService, cloud: Cloud
) -> None:
    ready = alice.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok"), ready.text

    data = picture("PNG")
    made = alice.post(alice.upload(data))
    assert made.status_code == 201, made.text
    assert alice.http.get(made.json()["images"][0]["url"]).content == data

    # A missing object is missing, not forbidden.
    missing = alice.post(f"images/posts/post_{new_id()}.png")
    assert (missing.status_code, codes(missing)) == (400, [("not_uploaded", "images.0")])
    unclaimed = alice.upload(picture("PNG"))
    assert alice.call("DELETE", "/sign_s3/", {"key": unclaimed}).status_code == 204

    small, whole = Upload(alice, PICTURES, "image/png"), Upload(alice, PICTURES, "image/png")
    assert small.call("DELETE").status_code == 200
    assert whole.complete(whole.put(1, data)).status_code == 200
    assert alice.call("DELETE", "/sign_s3/", {"key": whole.key}).status_code == 204

    assert alice.call("DELETE", f"/posts/{made.json()['id']}/").status_code == 204
    restricted.manage("sweep")
    restricted.manage("sweep", "--audit")
    with closing(cloud.client("root")) as root:
        for bucket in (INCOMING, MEDIA):
            assert "Contents" not in root.list_objects_v2(Bucket=bucket)


Attempt = Callable[["S3Client"], object]
OBJECT: Final = f"{PATH}x.png"
OUTSIDE: Final = "backups/x"


def delete_many(s3: "S3Client", bucket: str, key: str) -> None:
    """The call that the service deletes with. It may be allowed and its keys refused one by one."""
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    if answer.get("Errors"):
        raise PermissionError(answer["Errors"][0]["Code"])


#: Nothing is written before it was tried to be read and published, for on Ceph an object's writer
#: may do more with it; nothing is deleted before that.
ATTEMPTS: Final[dict[str, Attempt]] = {
    "read media": lambda s3: s3.get_object(Bucket=MEDIA, Key=OBJECT),
    "list media": lambda s3: s3.list_objects_v2(Bucket=MEDIA),
    "read incoming": lambda s3: s3.get_object(Bucket=INCOMING, Key=OBJECT),
    "list incoming": lambda s3: s3.list_objects_v2(Bucket=INCOMING),
    "publish media": lambda s3: s3.put_object_acl(Bucket=MEDIA, ACL="public-read", Key=OBJECT),
    "publish incoming": lambda s3: s3.put_object_acl(
        Bucket=INCOMING, ACL="public-read", Key=OBJECT
    ),
    "write media": lambda s3: s3.put_object(Bucket=MEDIA, Body=b"x", Key=OBJECT),
    "write incoming": lambda s3: s3.put_object(Bucket=INCOMING, Body=b"x", Key=OBJECT),
    "delete media": lambda s3: s3.delete_object(Bucket=MEDIA, Key=OBJECT),
    "delete incoming": lambda s3: s3.delete_object(Bucket=INCOMING, Key=OBJECT),
    "delete many in media": lambda s3: delete_many(s3, MEDIA, OBJECT),
    "delete many in incoming": lambda s3: delete_many(s3, INCOMING, OBJECT),
    "read elsewhere in media": lambda s3: s3.get_object(Bucket=MEDIA, Key=OUTSIDE),
    "read elsewhere in incoming": lambda s3: s3.get_object(Bucket=INCOMING, Key=OUTSIDE),
    "write elsewhere in media": lambda s3: s3.put_object(Bucket=MEDIA, Body=b"x", Key=OUTSIDE),
    "write elsewhere in incoming": lambda s3: s3.put_object(
        Bucket=INCOMING, Body=b"x", Key=OUTSIDE
    ),
    "delete elsewhere in media": lambda s3: s3.delete_object(Bucket=MEDIA, Key=OUTSIDE),
    "delete elsewhere in incoming": lambda s3: s3.delete_object(Bucket=INCOMING, Key=OUTSIDE),
    "delete many elsewhere in media": lambda s3: delete_many(s3, MEDIA, OUTSIDE),
    "delete many elsewhere in incoming": lambda s3: delete_many(s3, INCOMING, OUTSIDE),
    "list uploads in parts": lambda s3: s3.list_multipart_uploads(Bucket=INCOMING),
    "write another bucket": lambda s3: s3.put_object(Bucket="another", Body=b"x", Key=OBJECT),
    "list another bucket": lambda s3: s3.list_objects_v2(Bucket="another"),
    "list buckets": lambda s3: s3.list_buckets(),
    "create a bucket": lambda s3: s3.create_bucket(Bucket="new-bucket"),
    "delete a bucket": lambda s3: s3.delete_bucket(Bucket=INCOMING),
    "read a bucket's policy": lambda s3: s3.get_bucket_policy(Bucket=MEDIA),
    "write a bucket's policy": lambda s3: s3.put_bucket_policy(Bucket=MEDIA, Policy="{}"),
    "write CORS": lambda s3: s3.put_bucket_cors(Bucket=MEDIA, CORSConfiguration={"CORSRules": []}),
    "drop the lifecycle": lambda s3: s3.delete_bucket_lifecycle(Bucket=INCOMING),
    "open to the public": lambda s3: s3.delete_public_access_block(Bucket=MEDIA),
}
ALLOWED: Final[dict[str, set[str]]] = {
    "web": {
        "write media",
        "read media",
        "list media",
        "write incoming",
        "read incoming",
        "delete incoming",
        "delete many in incoming",
        "list incoming",
    },
    "signing": {"write incoming", "read media"},
    "uploading": {"write incoming"},
    "sweeper": {"read media", "delete media", "delete many in media", "list media"},
    "nobody": set(),
}
#: The list is of one's own buckets, of which there are none.
ALSO_ON_CEPH: Final = {"list buckets"}


def forbidden(attempt: Attempt, s3: "S3Client") -> bool:
    """Whether it is answered 403. What is allowed may fail for another reason."""
    try:
        attempt(s3)
    except PermissionError:
        return True
    except ClientError as exc:
        return exc.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return False


@pytest.mark.parametrize("user", ALLOWED)
def test_the_documented_rights_allow_nothing_else(
    cloud: Cloud, restricted: LiveService, on_ceph: bool, user: str
) -> None:
    with closing(cloud.client("root")) as root:
        root.create_bucket(Bucket="another")
        for bucket in (INCOMING, MEDIA):
            for name in (OBJECT, OUTSIDE):
                root.put_object(Bucket=bucket, Body=b"x", Key=name)
    with closing(cloud.client(user)) as s3:
        allowed = {name for name, attempt in ATTEMPTS.items() if not forbidden(attempt, s3)}
    assert allowed == ALLOWED[user] | (ALSO_ON_CEPH if on_ceph else set())


PARTS_ALLOWED: Final[dict[str, set[str]]] = {
    "web": {"list in incoming", "abort in incoming", "abort in media"},
    "signing": set(),
    "uploading": set(),
    "sweeper": set(),
    "nobody": set(),
}


def attempts_at(bucket: str, upload_id: str) -> dict[str, Attempt]:
    return {
        "list": lambda s3: s3.list_parts(Bucket=bucket, Key=OBJECT, UploadId=upload_id),
        "abort": lambda s3: s3.abort_multipart_upload(
            Bucket=bucket, Key=OBJECT, UploadId=upload_id
        ),
    }


@pytest.mark.parametrize("user", PARTS_ALLOWED)
def test_uploads_in_parts_are_the_web_processs_alone(
    cloud: Cloud, restricted: LiveService, user: str
) -> None:
    allowed = set()
    with closing(cloud.client("root")) as root, closing(cloud.client(user)) as s3:
        for name, bucket in {"incoming": INCOMING, "media": MEDIA}.items():
            begun = root.create_multipart_upload(Bucket=bucket, Key=OBJECT)
            for verb, attempt in attempts_at(bucket, begun["UploadId"]).items():
                if not forbidden(attempt, s3):
                    allowed.add(f"{verb} in {name}")
    assert allowed == PARTS_ALLOWED[user]


@pytest.mark.parametrize(("signed_by", "stolen"), [("root", True), ("uploading", False)])
def test_a_parts_url_copies_nothing_that_its_signer_may_not_read(
    cloud: Cloud, restricted: LiveService, signed_by: str, stolen: bool
) -> None:
    """AWS takes no x-amz- header unsigned. These stores do, and so the signer's rights count."""
    key, source = f"{PATH}{new_id()}.png", f"{PATH}{new_id()}.png"
    with closing(cloud.client("root")) as root:
        root.put_object(Bucket=MEDIA, Key=source, Body=b"private")
        begun = root.create_multipart_upload(Bucket=INCOMING, Key=key)["UploadId"]

        def put(number: int, **request: Any) -> int:
            url = (
                cloud.users[signed_by]
                .signer(INCOMING)
                .presign(
                    "PUT",
                    key,
                    now=int(time.time()),
                    expires_in=300,
                    params={"partNumber": str(number), "uploadId": begun},
                )
            )
            return httpx.put(url, trust_env=False, **request).status_code

        assert put(1, content=b"own") == 200
        theft = put(2, headers={"x-amz-copy-source": f"/{MEDIA}/{source}"})
        parts = root.list_parts(Bucket=INCOMING, Key=key, UploadId=begun)["Parts"]
        root.abort_multipart_upload(Bucket=INCOMING, Key=key, UploadId=begun)
    assert (theft, len(parts)) == ((200, 2) if stolen else (403, 1))


def test_what_somebody_published_can_be_read_by_nobody_without_a_key(
    cloud: Cloud, restricted: LiveService
) -> None:
    """The buckets are as `setup_buckets` leaves them: public ACLs are refused or ignored."""
    for user, bucket in (("root", INCOMING), ("root", MEDIA), ("web", INCOMING), ("web", MEDIA)):
        key = f"{PATH}{new_id()}.png"
        with closing(cloud.client(user)) as s3, suppress(ClientError):
            s3.put_object(Bucket=bucket, Body=b"x", Key=key, ACL="public-read")
        url = f"{cloud.root.endpoint_url}/{bucket}/{key}"
        assert httpx.get(url, trust_env=False).status_code in {403, 404}, (user, bucket)


@pytest.mark.parametrize(
    ("user", "bucket", "taken"),
    [
        ("web", INCOMING, True),
        ("web", MEDIA, False),
        ("signing", INCOMING, True),
        ("signing", MEDIA, False),
        ("sweeper", INCOMING, False),
        ("sweeper", MEDIA, False),
        ("nobody", INCOMING, False),
    ],
)
def test_a_form_reaches_no_further_than_who_signed_it(
    cloud: Cloud, restricted: LiveService, user: str, bucket: str, taken: bool
) -> None:
    [form] = (
        cloud.users[user]
        .signer(bucket)
        .posts(
            [f"{PATH}{new_id()}.png"],
            content_type="image/png",
            owner="mallory",
            max_size=100,
            acl="bucket-owner-full-control",
            now=int(time.time()),
        )
    )
    answer = httpx.post(form.url, data=form.fields, files={"file": b"x"}, trust_env=False)
    if taken:
        assert answer.status_code == 204, answer.text
    else:
        refused(answer)
