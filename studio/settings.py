"""The environment, read once. Nobody else knows there is one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypedDict
from urllib.parse import unquote

from pydantic import Field, HttpUrl, PostgresDsn, SecretStr, UrlConstraints, ValidationError, field_validator
from pydantic_core import Url
from pydantic_settings import BaseSettings, SettingsConfigDict

from studio.objects.store import StorePlace

ObjectStoreUrl = Annotated[Url, UrlConstraints(allowed_schemes=["file", "s3"])]


class TemporalPlace(TypedDict):
    """Where Temporal is, and who we are there."""

    address: str
    namespace: str
    api_key: str | None
    tls: bool


class SettingsInvalid(Exception):
    """Settings are missing or wrong. The message names all of them."""


class Settings(BaseSettings):
    """What a worker, the command line and the gateway are told from outside."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    temporal_address: str = Field(default="127.0.0.1:7233", description="Host and port of the Temporal frontend.")
    temporal_namespace: str = Field(default="default", description="Namespace of the workflows.")
    temporal_api_key: SecretStr | None = Field(default=None, description="API key; sets TLS on.")
    temporal_tls: bool = Field(default=False, description="Speak TLS to the frontend.")

    database_url: PostgresDsn = Field(description="PostgreSQL for films, costs and the ledger of orders.")
    database_connections: int = Field(default=8, ge=1, le=100, description="Connections a worker process may hold.")
    object_store_url: ObjectStoreUrl = Field(
        description="Where content lives: file:///srv/longtake/objects or s3://bucket/prefix."
    )
    s3_endpoint: HttpUrl | None = Field(default=None, description="Address of an S3-compatible store; none: AWS.")
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key_id: SecretStr | None = Field(default=None, description="Access key; none: the machine's role.")
    s3_secret_access_key: SecretStr | None = Field(default=None, description="Secret of the access key.")
    work_dir: Path = Field(default=Path("data/work"), description="Folder for files in the making.")

    kie_api_key: SecretStr | None = Field(default=None, description="Key of KIE.ai; needed by the queue kling.")
    kie_api_url: HttpUrl = Field(default=HttpUrl("https://api.kie.ai"), description="KIE.ai's API.")
    kie_upload_url: HttpUrl = Field(default=HttpUrl("https://kieai.redpandaai.co"), description="KIE.ai's upload host.")
    kie_callback_url: HttpUrl | None = Field(
        default=None, description="Public address under which KIE.ai calls back; none: only looks tell."
    )
    kie_webhook_key: SecretStr | None = Field(
        default=None, description="webhookHmacKey of KIE.ai; unsigned callbacks are refused then. None: all are taken."
    )
    still_host: Literal["kie", "catbox", "s3"] = Field(
        default="kie", description="Where stills are put for Kling to fetch."
    )
    catbox_url: HttpUrl = Field(default=HttpUrl("https://catbox.moe"), description="catbox.moe.")
    catbox_userhash: SecretStr | None = Field(default=None, description="Account of catbox.moe; none: anonymous.")

    kling_slots: int = Field(
        default=5, ge=1, le=100, description="Most Kling tasks in flight, over everything; later: gate limit."
    )
    kling_look_min_seconds: float = Field(
        default=2, gt=0, le=30, description="Shortest time between two looks at a task."
    )
    kling_look_max_seconds: float = Field(
        default=3, gt=0, le=30, description="Longest time between two looks at a task."
    )
    kling_calls_per_second: float = Field(
        default=4, ge=0, description="Most orders and looks per second over all workers; 0: no limit."
    )
    kling_orders_per_window: int = Field(
        default=15, ge=0, description="Most orders per 10 s over all workers (KIE.ai allows 20); 0: no limit."
    )

    kie_speed: float = Field(
        default=1, gt=0, description="How much faster than real KIE.ai's clock runs; other than 1 only in rehearsals."
    )

    comfyui_url: HttpUrl = Field(
        default=HttpUrl("http://127.0.0.1:8188"), description="The ComfyUI server of a worker on the queue gpu."
    )
    comfyui_longest_wait_minutes: float = Field(
        default=30, gt=0, description="How long a render stands behind others' before it goes to a server that is free."
    )
    comfyui_longest_silence_minutes: float = Field(
        default=60, gt=0, description="How long a render may stand still before it is interrupted and tried again."
    )
    comfyui_rest_seconds: float = Field(
        default=60,
        gt=0,
        description="Pause before a render that failed, for want of memory say, is tried again; doubles.",
    )
    comfyui_previews: bool = Field(default=False, description="Keep the newest preview of a render while it goes on.")
    comfyui_prompts_in_files: bool = Field(
        default=True, description="Leave the graph with its prompts in our files' metadata; job, take and attempt stay."
    )

    notion_token: SecretStr | None = Field(default=None, description="Integration of Notion; none: no notices.")
    notion_api_url: HttpUrl = Field(default=HttpUrl("https://api.notion.com"), description="Notion's API.")
    notion_property: str = Field(default="Status", description="The page property that shows the status.")
    notion_property_kind: Literal["status", "select"] = Field(default="status", description="That property's type.")
    notion_calls_per_second: float = Field(default=3, gt=0, description="Most requests per second over all workers.")

    media_slots: int = Field(default=2, ge=1, le=64, description="Encoders and checks at once in this process.")
    metrics_address: str | None = Field(default=None, description="Serve Prometheus metrics here, 0.0.0.0:9464.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["json", "console"] = Field(default="json", description="Lines for machines or for people.")

    @field_validator("temporal_address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("write it as host:port")
        return value

    @field_validator("comfyui_url")
    @classmethod
    def _no_password(cls, value: HttpUrl) -> HttpUrl:
        if value.username or value.password:
            raise ValueError("no user and password here: the address stands in workflow histories")
        return value

    @field_validator("object_store_url", mode="before")
    @classmethod
    def _absolute_folder(cls, value: object) -> object:
        if str(value).startswith("file:") and not str(value).startswith("file:///"):
            raise ValueError("write a folder with its whole path, as file:///srv/longtake/objects")
        return value

    @classmethod
    def from_env(cls, fallback: Mapping[str, str] | None = None) -> Self:
        """Read the environment; `fallback` counts where it says nothing.

        Raises:
            SettingsInvalid: something is missing or wrong; all of it is named.
        """
        said = {name.lower() for name, value in os.environ.items() if value}
        unsaid = {name.lower(): value for name, value in (fallback or {}).items() if name.lower() not in said}
        try:
            return cls.model_validate(unsaid)
        except ValidationError as error:
            raise SettingsInvalid(_complaint(error)) from None

    def needs(self, **reasons: str) -> None:
        """Say all at once which optional settings this process cannot do without.

        Raises:
            SettingsInvalid: at least one of them is not set.
        """
        missing = [f"  {name.upper()}: {why}" for name, why in reasons.items() if getattr(self, name) is None]
        if missing:
            raise SettingsInvalid("These settings are missing:\n" + "\n".join(missing))

    def temporal(self) -> TemporalPlace:
        """How to reach Temporal."""
        return TemporalPlace(
            address=self.temporal_address,
            namespace=self.temporal_namespace,
            api_key=plain(self.temporal_api_key),
            tls=self.temporal_tls,
        )

    def store_place(self) -> StorePlace:
        """The object store these settings name."""
        return StorePlace(
            url=str(self.object_store_url),
            endpoint=str(self.s3_endpoint) if self.s3_endpoint else None,
            region=self.s3_region,
            access_key_id=plain(self.s3_access_key_id),
            secret_access_key=plain(self.s3_secret_access_key),
        )

    def secrets(self) -> list[str]:
        """Every secret value, for the log processor and the error texts that must never show them."""
        values: Mapping[str, object] = {name: getattr(self, name) for name in type(self).model_fields}
        found = [value.get_secret_value() for value in values.values() if isinstance(value, SecretStr)]
        passwords = [host["password"] for host in self.database_url.hosts() if host["password"]]
        as_they_are = [unquote(password) for password in passwords]
        return [secret for secret in dict.fromkeys(found + passwords + as_they_are) if secret]


def plain(secret: SecretStr | None) -> str | None:
    """A secret's value, for the client that needs it."""
    return secret.get_secret_value() if secret else None


def _complaint(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        reason = "is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        lines.append(f"  {name}: {reason}")
    return "Settings are missing or wrong:\n" + "\n".join(lines)
