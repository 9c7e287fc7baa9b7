"""A folder of a Google Cloud Storage bucket, read with google-cloud-storage."""

from collections.abc import Iterator, Sequence

import requests
from google.api_core.exceptions import GoogleAPICallError, NotFound, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud import storage

from rayllm_engine.mirror.checksums import Checksum, from_base64
from rayllm_engine.mirror.errors import MirrorError, TransientError
from rayllm_engine.mirror.store import StoredObject

_HELP = {
    401: "check the credentials",
    403: "let the pod's identity list and read it (Workload Identity, or GOOGLE_APPLICATION_CREDENTIALS)",
    404: "check bucket_uri",
    412: "it changed while it was being downloaded; the next start takes the new one",
}
"""What to do about an answer of the store, by HTTP status."""


class GcsStore:
    """One folder of one bucket.

    Credentials are the application default ones. Where there are none, and where ``anonymous`` asks for it,
    requests carry none: public buckets are read so.
    """

    range_size = 8 << 20  # the client holds a range in memory, twice for a moment
    connections = 16

    def __init__(self, bucket: str, prefix: str, *, anonymous: bool) -> None:
        self._prefix = prefix
        self._client, self._without = _client(anonymous=anonymous)
        self._bucket = self._client.bucket(bucket)

    def address(self, path: str = "") -> str:
        """Return the address of an object below the folder, for messages."""
        return f"gs://{self._bucket.name}/{self._prefix}{path}"

    def objects(self) -> Sequence[StoredObject]:
        """List the folder with all below it; names that end in a slash are markers of folders, not files."""
        try:
            return [
                StoredObject(
                    blob.name.removeprefix(self._prefix),
                    blob.size,
                    str(blob.generation),
                    blob.updated.timestamp(),
                )
                for blob in self._client.list_blobs(self._bucket, prefix=self._prefix)
                if not blob.name.endswith("/")
            ]
        except (GoogleAPICallError, GoogleAuthError, RetryError, requests.RequestException) as error:
            raise self._refusal(error) from error

    def read(self, stored: StoredObject, start: int, end: int) -> Iterator[bytes]:
        """Read a range of this generation."""
        blob = self._bucket.blob(self._prefix + stored.path, generation=int(stored.version))
        try:
            # The bytes as stored: with its content encoding undone, an object has another size and checksum.
            yield blob.download_as_bytes(start=start, end=end - 1, raw_download=True, checksum=None)
        except (requests.RequestException, RetryError, OSError) as error:
            raise TransientError(str(error)) from error
        except (GoogleAPICallError, GoogleAuthError) as error:
            raise self._refusal(error, stored.path) from error

    def checksum(self, stored: StoredObject) -> Checksum | None:
        """Return the CRC32C or, in a store that gives none, the MD5, which composed objects lack."""
        blob = self._bucket.blob(self._prefix + stored.path, generation=int(stored.version))
        try:
            blob.reload()
        except (GoogleAPICallError, GoogleAuthError, RetryError, requests.RequestException) as error:
            raise self._refusal(error, stored.path) from error
        if blob.crc32c:
            return from_base64("crc32c", blob.crc32c)
        return from_base64("md5", blob.md5_hash) if blob.md5_hash else None

    def _refusal(self, error: Exception, path: str = "") -> MirrorError:
        """Return what the store's answer means for whoever wrote the mirror's address."""
        address = self.address(path)
        if isinstance(error, NotFound) and path:
            return MirrorError(f"{address}: the store answered 404: {error.message}; {_HELP[412]}")
        if isinstance(error, GoogleAPICallError):
            status = int(error.code or 0)
            help_ = _HELP.get(status, "check the store, and then restart the model")
            without = f" ({self._without})" if self._without and status in {401, 403} else ""
            return MirrorError(f"{address}: the store answered {status}: {error.message}{without}; {help_}")
        return MirrorError(f"{address}: {error}; check the pod's network and its Google credentials")


def _client(*, anonymous: bool) -> tuple[storage.Client, str]:
    """Return the client and, where it sends no credentials, why."""
    if anonymous:
        return storage.Client.create_anonymous_client(), "no credentials were sent, as --no-sign-request asks"
    try:
        return storage.Client(project="none"), ""  # only making a bucket needs a project
    except DefaultCredentialsError:
        return storage.Client.create_anonymous_client(), "the pod has no Google credentials"
