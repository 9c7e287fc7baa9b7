"""The ``mirror`` of the engine's contract (docs/engine-contract.md): what to download, and from where."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, model_validator

Uri = Annotated[StrictStr, Field(pattern="^(s3|gs)://[^/:]+(/.*)?$")]
Text = Annotated[StrictStr, Field(min_length=1)]


class _Strict(BaseModel):
    """Refuses unknown keys; a null means the same as an absent key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, section: Any) -> Any:
        if not isinstance(section, dict):
            return section
        return {key: value for key, value in section.items() if value is not None}


class Filter(_Strict):
    """One pattern of shell wildcards, in which ``*`` matches ``/`` too, on paths relative to the folder."""

    exclude: Text | None = None
    """Leave out what matches."""
    include: Text | None = None
    """Take what matches."""

    @model_validator(mode="after")
    def _one(self) -> "Filter":
        if (self.exclude is None) == (self.include is None):
            raise ValueError("a filter is either exclude or include")
        return self


class S3Settings(_Strict):
    """Where S3 is; what is left out comes from boto3's own configuration chain."""

    endpoint_url: Text | None = None
    """URL of an S3-compatible store. Default: AWS."""
    region: Text | None = None
    """Region of the bucket."""
    profile: Text | None = None
    """Profile of the AWS configuration files in the pod."""
    request_payer: Literal["requester"] | None = None
    """Who pays for the requests. Default: the bucket's owner."""
    verify_tls: StrictBool = True
    """Whether the store's certificate is checked."""
    ca_bundle: Text | None = None
    """File of the authorities that the store's certificate is checked against. Default: the system's."""


class CredentialsSettings(_Strict):
    """A service that a POST makes hand out AWS credentials."""

    url: Annotated[StrictStr, Field(pattern="^https?://.+")]
    """The service; it answers with a JSON object of environment variables."""
    token_variable: Text | None = None
    """Environment variable that holds the bearer token. Default: no token is sent."""


class ExtraFilesSettings(_Strict):
    """A folder that is downloaded beside the model."""

    uri: Uri
    """``s3://bucket/folder`` or ``gs://bucket/folder``."""
    destination: Text
    """Directory for its files; ``~`` and environment variables are expanded."""


class MirrorSettings(_Strict):
    """A model's mirror."""

    model: Annotated[StrictStr, Field(pattern="^[^/.][^/]*(/[^/.][^/]*)*$")]
    """The id under which Hugging Face finds the model in the cache: ``organization/model``."""
    uri: Uri | None = None
    """The folder of the model's files. Default: the model comes from elsewhere."""
    extra_files: tuple[ExtraFilesSettings, ...] = ()
    """Folders that are downloaded beside the model."""
    filters: tuple[Filter, ...] = ()
    """Patterns on all of these folders, in the order of ``aws s3 sync``: the last that matches decides."""
    anonymous: StrictBool = False
    """Whether requests carry no credentials."""
    s3: S3Settings = S3Settings()
    """How S3 is reached."""
    credentials: CredentialsSettings | None = None
    """Who hands out S3 credentials. Default: boto3's own chain."""


def split_uri(uri: str) -> tuple[str, str, str]:
    """Return scheme, bucket and prefix; a prefix that is not empty ends in a slash.

    So ``models/a`` is the folder of that name and never ``models/ab``.

    >>> split_uri("s3://bucket/models/a")
    ('s3', 'bucket', 'models/a/')
    """
    match = re.fullmatch("(s3|gs)://([^/]+)/*(.*?)/*", uri)
    if match is None:
        raise ValueError(f"{uri!r} is no address of a bucket: write s3://bucket/folder or gs://bucket/folder")
    scheme, bucket, prefix = match.groups()
    return scheme, bucket, f"{prefix}/" if prefix else ""
