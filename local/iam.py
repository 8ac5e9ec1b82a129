"""Users' rights at an S3 on this machine, by the IAM API that AWS and Ceph's radosgw share."""

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from local.store import Store


def iam(store: Store) -> Any:
    """boto3's IAM client of this store, with this key."""
    import boto3  # noqa: PLC0415 - half a second that only a first start has to spend

    return boto3.client(
        "iam",
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name=store.region,
        endpoint_url=store.endpoint_url,
    )


def give(user: str, policies: Mapping[str, object], *, by: Store) -> None:
    """Give a user these policies, by name."""
    with closing(iam(by)) as client:
        for name, policy in policies.items():
            client.put_user_policy(
                UserName=user, PolicyName=name, PolicyDocument=json.dumps(policy)
            )
