"""An upload in parts, seen from the client and from S3."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rest_framework.test import APIClient

from sign_s3.bucket import Bucket
from sign_s3.services.ticket import Ticket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Underway:
    client: APIClient
    upload_id: str
    key: str
    ticket: Ticket
    s3: "S3Client"
    incoming: Bucket

    def address(self, rest: str = "", key: str | None = None) -> str:
        return f"/uppy/s3/multipart/{self.upload_id}{rest}?key={self.key if key is None else key}"

    def get(self, rest: str = "", **query: str) -> Any:
        more = "".join(f"&{name}={value}" for name, value in query.items())
        return self.client.get(self.address(rest) + more)

    def complete(self, *parts: Any) -> Any:
        return self.client.post(self.address("/complete"), {"parts": parts})

    def abort(self) -> Any:
        return self.client.delete(self.address())

    def put(self, number: int, data: bytes) -> dict[str, Any]:
        """Send a part; what Uppy says of it when it completes the upload."""
        sent = self.s3.upload_part(
            Bucket=self.incoming.name,
            Key=self.key,
            UploadId=self.ticket.upload_id,
            PartNumber=number,
            Body=data,
        )
        return {"PartNumber": number, "ETag": sent["ETag"].strip('"')}

    def seen_by(self, client: APIClient) -> "Underway":
        return replace(self, client=client)
