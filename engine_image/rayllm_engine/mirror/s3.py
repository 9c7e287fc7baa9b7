"""A folder of an S3 bucket, read with boto3."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
    SSLError,
)

from rayllm_engine.mirror.checksums import Checksum, Scheme, from_base64
from rayllm_engine.mirror.errors import MirrorError, TransientError
from rayllm_engine.mirror.settings import S3Settings
from rayllm_engine.mirror.store import StoredObject

_BLOCK = 4 << 20
_BROKEN = (
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    urllib3.exceptions.HTTPError,
    OSError,
)
_CREDENTIALS = (NoCredentialsError, PartialCredentialsError)
_CHECKSUMS = ("CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1")
"""What HeadObject calls the checksums, those first that cost the least: an upload rarely has several."""

CREDENTIAL_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
    "AWS_SECURITY_TOKEN": "aws_session_token",
    "AWS_DEFAULT_REGION": "region_name",
    "AWS_REGION": "region_name",
}
"""The environment variables that a credentials service may answer with, as boto3's session calls them."""

_HELP = {
    301: "the bucket is in another region: give it as --region in s3_sync_args",
    400: "check --region and --endpoint-url in s3_sync_args",
    401: "check the credentials",
    403: (
        "give the pod credentials that may list and read it (cluster_config.env, a service account or"
        " s3_aws_credentials), or --no-sign-request in s3_sync_args for a public bucket"
    ),
    404: "check bucket_uri and --endpoint-url",
    412: "it changed while it was being downloaded; the next start takes the new one",
}
"""What to do about an answer of the store, by HTTP status."""


class S3Store:
    """One folder of one S3 bucket.

    Parameters
    ----------
    bucket, prefix
        The folder; a prefix that is not empty ends in a slash.
    settings
        How the store is reached.
    anonymous
        Whether requests go unsigned.
    environment
        Variables of a credentials service, which take the place of boto3's own chain.
    """

    range_size = 64 << 20
    # A request brings 85 to 90 MB/s (Amazon S3 user guide, "Performance design patterns"), so a large node
    # needs many. On few cores more cost time: their blocks push each other out of the processor's cache.
    connections = min(32, max(8, 4 * (os.cpu_count() or 1)))

    def __init__(
        self,
        bucket: str,
        prefix: str,
        settings: S3Settings,
        *,
        anonymous: bool,
        environment: Mapping[str, str],
    ) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._payer = {"RequestPayer": settings.request_payer} if settings.request_payer else {}
        session = {CREDENTIAL_VARIABLES[name]: value for name, value in environment.items()}
        session |= {"profile_name": settings.profile} if settings.profile else {}
        session |= {"region_name": settings.region} if settings.region else {}
        config = Config(
            max_pool_connections=self.connections,
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 5},
            **({"signature_version": UNSIGNED} if anonymous else {}),
        )
        try:
            self._client = boto3.Session(**session).client(
                "s3",
                endpoint_url=settings.endpoint_url,
                # None, and not True, leaves the choice to AWS_CA_BUNDLE and the configuration files.
                verify=settings.ca_bundle or (None if settings.verify_tls else False),
                config=config,
            )
        except (BotoCoreError, ValueError) as error:
            raise MirrorError(f"{self.address()}: {error}; check s3_sync_args") from error

    def address(self, path: str = "") -> str:
        """Return the address of an object below the folder, for messages."""
        return f"s3://{self._bucket}/{self._prefix}{path}"

    def objects(self) -> Sequence[StoredObject]:
        """List the folder with all below it; names that end in a slash are markers of folders, not files."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix, **self._payer
        )
        found = []
        try:
            for page in pages:
                for each in page.get("Contents", ()):
                    if not each["Key"].endswith("/"):
                        path = each["Key"].removeprefix(self._prefix)
                        modified = each["LastModified"].timestamp()
                        found.append(StoredObject(path, each["Size"], each["ETag"].strip('"'), modified))
        except (BotoCoreError, ClientError) as error:
            raise self._refusal(error) from error
        return found

    def read(self, stored: StoredObject, start: int, end: int) -> Iterator[memoryview]:
        """Read a range, under the condition that the object is still this version."""
        buffer = memoryview(bytearray(min(_BLOCK, end - start)))
        try:
            answer = self._client.get_object(
                Bucket=self._bucket,
                Key=self._prefix + stored.path,
                Range=f"bytes={start}-{end - 1}",
                IfMatch=f'"{stored.version}"',
                **self._payer,
            )
            source = _unbuffered(answer["Body"])
            while start < end and (size := source.readinto(buffer[: end - start])):
                start += size
                yield buffer[:size]
            if start == end:
                _release(answer["Body"])
        except (*_BROKEN, FlexibleChecksumError) as error:
            # Recent versions of botocore check answers that are a whole object; every file is checked later.
            raise TransientError(str(error)) from error
        except (BotoCoreError, ClientError) as error:
            raise self._refusal(error, stored.path) from error

    def checksum(self, stored: StoredObject) -> Checksum | None:
        """Return a checksum that the store has, or else the MD5 that an ETag is where nothing encrypts it.

        Of an upload in parts either may be a checksum of the parts' checksums; the size of the parts is
        asked for. Source: Amazon S3 user guide, "Checking object integrity".
        """
        head = self._head(stored.path, ChecksumMode="ENABLED")
        for name in _CHECKSUMS:
            value, _, parts = head.get(f"Checksum{name}", "").partition("-")
            is_whole = head.get("ChecksumType") != "COMPOSITE" and not parts
            part_size = None if is_whole else self._part_size(stored, parts)
            if value and (is_whole or part_size):
                return from_base64(name.lower(), value, part_size)
        encrypted = head.get("ServerSideEncryption", "AES256") != "AES256" or head.get("SSECustomerAlgorithm")
        match = re.fullmatch("([0-9a-f]{32})(?:-([0-9]+))?", stored.version)
        if encrypted or match is None:
            return None
        part_size = self._part_size(stored, match[2]) if match[2] else None
        if match[2] and part_size is None:
            return None
        return Checksum(Scheme("md5", part_size), bytes.fromhex(match[1]))

    def _part_size(self, stored: StoredObject, parts: str) -> int | None:
        """Return the size that all parts but the last have, None where they differ."""
        if not parts.isdigit() or int(parts) < 1:
            return None
        first = int(self._head(stored.path, PartNumber=1)["ContentLength"])
        last = int(self._head(stored.path, PartNumber=int(parts))["ContentLength"])
        return first if first > 0 and first * (int(parts) - 1) + last == stored.size else None

    def _head(self, path: str, **parameters: Any) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = self._client.head_object(
                Bucket=self._bucket, Key=self._prefix + path, **parameters, **self._payer
            )
        except (BotoCoreError, ClientError) as error:
            raise self._refusal(error, path) from error
        return answer

    def _refusal(self, error: Exception, path: str = "") -> MirrorError:
        """Return what the store's answer means for whoever wrote the mirror's address."""
        address = self.address(path)
        if isinstance(error, ClientError):
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            details = error.response.get("Error", {})
            help_ = _HELP.get(status, "check the store, and then restart the model")
            said = f"{status} {details.get('Code', '')}: {details.get('Message', '')}"
            return MirrorError(f"{address}: the store answered {said}; {help_}")
        if isinstance(error, _CREDENTIALS):
            return MirrorError(f"{address}: there are no AWS credentials; {_HELP[403]}")
        if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
            return MirrorError(f"{address}: {error}; check --endpoint-url, --region and the pod's network")
        if isinstance(error, SSLError):
            help_ = "name its authority in trustedCertificates of the operator's configuration"
            return MirrorError(f"{address}: {error}; {help_}")
        return MirrorError(f"{address}: {error}")


def _unbuffered(body: Any) -> Any:
    """Return what reads an answer's body into a buffer of ours.

    The public readinto of botocore and urllib3 reads into a buffer of its own and copies. The response of
    http.client below them reads from the socket into ours. Where a later version hides it, theirs is used.
    """
    return getattr(getattr(body, "_raw_stream", None), "_fp", None) or body


def _release(body: Any) -> None:
    """Give back to the pool the connection of a body of which urllib3 did not see the end."""
    response = getattr(body, "_raw_stream", None)
    if response is not None:
        response.release_conn()
