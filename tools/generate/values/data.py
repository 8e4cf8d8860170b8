"""Values of what csp keeps and where: database, Redis, keys."""

from __future__ import annotations

from pydantic import Field

from generate.values.base import NAME, QUANTITY, Image, Pod, Resources, Values, image, resources


class Model(Values):
    """The Messages API behind the model proxy."""

    api_key: str = Field(
        "",
        description="The provider's key. Better in a Secret of your own: see `existingSecret`. "
        "Without either, the scripted model answers and the page says so.",
    )
    existing_secret: str = Field(
        "",
        pattern=NAME,
        description="Secret with the key under `api-key`. Only the model proxy reads it.",
    )
    upstream_url: str = Field(
        "",
        pattern="^$|^https?://",
        description="Where the Messages API is. Empty: Anthropic's, or the scripted model when "
        "there is no key.",
    )
    allowed: list[str] = Field(
        default_factory=lambda: ["claude-*"],
        description="Models that sessions may use; `*` stands for any text.",
    )


class Database(Values):
    """PostgreSQL, the only place where the truth is kept."""

    url: str = Field(
        "",
        pattern="^$|^postgresql://",
        description="Address of your own database, when `postgresql.enabled` is off.",
    )
    migration_url: str = Field(
        "",
        pattern="^$|^postgresql://",
        description="Address for the user that owns the tables. Empty: `url`. Only the migration "
        "Job gets it.",
    )
    existing_secret: str = Field(
        "",
        pattern=NAME,
        description="Secret with these addresses under `url` and, if they differ, `migration-url`.",
    )
    max_connections: int = Field(10, ge=1, le=1000, description="Connections of one pod at most.")


class Persistence(Values):
    """A volume that outlives the pod."""

    enabled: bool = Field(True, description="Off: everything is lost with the pod.")
    size: str = Field("10Gi", pattern=QUANTITY, description="Size of the volume.")
    storage_class: str = Field(
        "", description="StorageClass. Empty: the cluster's default. `-`: none."
    )


class PostgreSql(Pod):
    """A PostgreSQL for trials: one pod, no replica, no backup. Use your own in production."""

    enabled: bool = Field(True, description="Off: `database` names your own.")
    image: Image = image("postgres", "18")
    resources: Resources = resources("100m", "256Mi", "1Gi")
    persistence: Persistence = Field(default_factory=Persistence, description="Where the data is.")


class Redis(Values):
    """Redis or Valkey, which holds only what can be lost."""

    url: str = Field(
        "",
        pattern="^$|^rediss?://",
        description="Address of your own server, when `valkey.enabled` is off.",
    )
    existing_secret: str = Field(
        "", pattern=NAME, description="Secret with that address under `url`."
    )


class Objects(Values):
    """Where the files of sessions are kept while no worker has them: a bucket.

    Without one they are in the database. Credentials come from the Secret, or from the identity of
    the gateway's service account where the cloud has that.
    """

    url: str = Field("", pattern="^$|^s3://", description="`s3://bucket/prefix`. Empty: database.")
    endpoint: str = Field(
        "",
        pattern="^$|^https?://",
        description="Address of an S3 server that is not Amazon's.",
    )
    region: str = Field("", description="The bucket's region.")
    existing_secret: str = Field(
        "",
        pattern=NAME,
        description="Secret with `access-key-id` and `secret-access-key`.",
    )


class Valkey(Pod):
    """A Valkey for trials: one pod. Losing it costs a moment, never data."""

    enabled: bool = Field(True, description="Off: `redis` names your own.")
    image: Image = image("valkey/valkey", "9")
    resources: Resources = resources("50m", "32Mi", "256Mi")


class SigningKey(Values):
    """With what gateways prove to workers who calls. Workers get the public half only.

    Helm makes the key at the first installation and keeps it. Tools that render the chart without
    asking the cluster (`helm template`, most GitOps controllers) would make a new one each time:
    there, use `existingSecret`.
    """

    generation: int = Field(
        1,
        ge=1,
        description="Add one and upgrade to change the key. The next key is published to workers "
        "ahead of time, so that no session notices.",
    )
    existing_secret: str = Field(
        "",
        pattern=NAME,
        description="Secret with a private Ed25519 JWK under `key.json`; needs `publicKeys` too.",
    )
    public_keys: list[dict[str, str]] = Field(
        default_factory=list,
        description="Public JWKs that workers accept, with `existingSecret`.",
    )
