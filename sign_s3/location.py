"""Where a bucket is: its URL, its host and the path before its keys, as the AWS SDK has it.

Sources on docs.aws.amazon.com: "Virtual hosting of general purpose buckets", "Amazon Simple Storage
Service endpoints and quotas". The tests hold every answer against the SDK's.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

AddressingStyle = Literal["auto", "path", "virtual"]

_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
# Directory buckets, Outposts and access points are spoken to otherwise than buckets are.
_OTHER_THAN_BUCKETS: Final = ("--x-s3", "--op-s3", "--xa-s3")
_REGION = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
_IP = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}|\[.*\]", re.ASCII)
_ENDPOINT = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:[0-9]{1,5})?"
    r"(?P<base>(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)(?P<slash>/?)",
    re.ASCII,
)
#: Domains of the regions outside AWS's main partition, by how the region's name begins.
_DOMAINS: Final = {
    "cn-": "amazonaws.com.cn",
    "us-gov-": "amazonaws.com",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket and how clients reach it.

    ``endpoint_url`` is None for AWS itself, or ``http(s)://host[:port][/base]``. A bucket becomes
    part of the host on AWS, and elsewhere only in the style ``virtual``; in the style ``path`` it
    never does, and neither does one that cannot: with upper case or ``_``, with a dot under https,
    or at an IP address. On AWS ``auto`` names the global host, which may redirect for a bucket
    younger than a day; ``virtual`` names the region.

    Raises `ValueError` for what no bucket could be reached by.
    """

    bucket: str
    region: str
    endpoint_url: str | None = None
    addressing_style: AddressingStyle = "auto"
    #: Where forms are posted to.
    url: str = field(init=False)
    #: The Host header as it is signed: lower case, without a default port.
    host: str = field(init=False)
    #: Scheme and authority, and the path that stands before a key.
    origin: str = field(init=False)
    root: str = field(init=False)

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket) or self.bucket.endswith(_OTHER_THAN_BUCKETS):
            raise ValueError(f"not a bucket's name: {self.bucket!r}")
        if not _REGION.fullmatch(self.region):
            raise ValueError(f"not a region: {self.region!r}")
        if self.addressing_style not in {"auto", "path", "virtual"}:
            raise ValueError(f"not an addressing style: {self.addressing_style!r}")
        endpoint = _ENDPOINT.fullmatch(self.endpoint_url or f"https://{self._aws_host()}")
        if endpoint is None:
            raise ValueError(f"not an endpoint: {self.endpoint_url!r}")
        scheme, host, port, base, slash = endpoint.groups(default="")

        if self._in_host(scheme, host):
            host = f"{self.bucket}.{host}"
            form_path, root = base + slash or "/", f"{base}/"
        else:
            form_path, root = f"{base}/{self.bucket}", f"{base}/{self.bucket}/"

        origin = f"{scheme}://{host}{port}"
        signed_host = host.lower() if port == _DEFAULT_PORTS[scheme] else f"{host.lower()}{port}"
        for name, value in {
            "url": origin + form_path,
            "host": signed_host,
            "origin": origin,
            "root": root,
        }.items():
            object.__setattr__(self, name, value)

    def _aws_host(self) -> str:
        for start, domain in _DOMAINS.items():
            if self.region.startswith(start):
                return f"s3.{self.region}.{domain}"
        can_be_global = self.addressing_style == "auto" and _LABEL.fullmatch(self.bucket.lower())
        if self.region == "us-east-1" or can_be_global:
            return "s3.amazonaws.com"
        return f"s3.{self.region}.amazonaws.com"

    def _in_host(self, scheme: str, host: str) -> bool:
        """Whether the bucket is the first label of the host ("Virtual hosting of buckets")."""
        style = self.addressing_style
        if style == "path" or (style == "auto" and self.endpoint_url):
            return False
        # A certificate for *.s3.amazonaws.com does not cover a.b.s3.amazonaws.com.
        labels = self.bucket.split(".") if scheme == "http" else [self.bucket]
        return (
            len(self.bucket) >= 3
            and all(_LABEL.fullmatch(label) for label in labels)
            and not _IP.fullmatch(self.bucket)
            and not _IP.fullmatch(host)
        )
