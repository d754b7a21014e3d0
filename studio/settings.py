"""The environment, read once; no other module reads it.

Every setting NAME may come from a file instead, named by NAME_FILE: that is how container secrets arrive.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypedDict
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import (
    AfterValidator,
    Field,
    HttpUrl,
    PostgresDsn,
    SecretStr,
    UrlConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import MultiHostUrl, Url
from pydantic_settings import BaseSettings, SettingsConfigDict

from studio.callback_address import LEAST_SECRET, CallbackAddresses, CallbackSigner, is_loopback
from studio.objects.store import StorePlace

FILE_LIMIT = 64 * 1024
"""Most bytes of a file that holds a setting."""

ObjectStoreUrl = Annotated[Url, UrlConstraints(allowed_schemes=["file", "s3"])]


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(secret.get_secret_value()) < LEAST_SECRET:
        raise ValueError(f"has fewer than {LEAST_SECRET} characters")
    return secret


CallbackSecret = Annotated[
    SecretStr | None,
    AfterValidator(_long_enough),
    Field(
        description="Authenticates callback addresses; the same for the gateway and for workers that order with "
        "KIE_CALLBACK_URL. 32 random bytes in hexadecimal, say.",
    ),
]

_URL_WITH_PASSWORD = re.compile(r"(?<=://)([^/?#@\s]*):([^@\s]*)(?=@)")
_SECRET_PARAMETER = re.compile(r"(?i)(password|passwd|pwd|token|secret|signature|credential|api.?key|^key$|^sig$)")


class TemporalPlace(TypedDict):
    """Where Temporal is, and who we are there."""

    address: str
    namespace: str
    api_key: str | None
    tls: bool


class SettingsInvalid(Exception):
    """Settings are missing or wrong. The message names all of them."""


class Environment(BaseSettings):
    """Settings that every process has: Temporal, PostgreSQL, logs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    temporal_address: str = Field(default="127.0.0.1:7233", description="Host and port of the Temporal frontend.")
    temporal_namespace: str = Field(default="default", description="Namespace of the workflows.")
    temporal_api_key: SecretStr | None = Field(default=None, description="API key; sets TLS on.")
    temporal_tls: bool = Field(default=False, description="Speak TLS to the frontend.")

    database_url: PostgresDsn = Field(description="PostgreSQL for videos, costs and the ledger of orders.")
    database_password: SecretStr | None = Field(
        default=None, description="Password of PostgreSQL as it is, with any characters; DATABASE_URL holds none then."
    )
    database_connections: int = Field(default=8, ge=1, le=100, description="Connections a process may hold.")
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

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.database_password is not None and any(host["password"] for host in self.database_url.hosts()):
            raise ValueError("DATABASE_URL holds a password already: leave it out there, or here")
        return self

    @classmethod
    def from_env(cls, fallback: Mapping[str, str] | None = None) -> Self:
        """Read the environment and the files it names; `fallback` counts where they say nothing.

        Raises:
            SettingsInvalid: something is missing or wrong; all of it is named.
        """
        said = {name.lower(): value for name, value in os.environ.items() if value}
        files, wrong = _from_files(set(cls.model_fields), said)
        unsaid = {name.lower(): value for name, value in (fallback or {}).items() if name.lower() not in said}
        try:
            settings = cls.model_validate(unsaid | files)
        except ValidationError as error:
            wrong |= {name: reason for name, reason in _complaints(error) if name not in wrong}
        if wrong:
            lines = [f"  {name}: {reason}" for name, reason in wrong.items()]
            raise SettingsInvalid("Settings are missing or wrong:\n" + "\n".join(lines))
        return settings

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

    def database_dsn(self) -> str:
        """The address of PostgreSQL with its password, for the client and nothing else."""
        dsn, password = str(self.database_url), plain(self.database_password)
        if not password:
            return dsn
        scheme, _, rest = dsn.partition("://")
        user, at, place = rest.partition("@")
        return f"{scheme}://{user.removesuffix(':') if at else ''}:{quote(password, safe='')}@{place if at else rest}"

    def secrets(self) -> list[str]:
        """Every secret value, for the log processor and the error texts that must never show them."""
        found: list[str] = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                found.append(value.get_secret_value())
            elif isinstance(value, _URLS):
                found += _secrets_of(value)
        return [secret for secret in dict.fromkeys(found) if secret]

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What `repr` and `str` show: no secret, wherever it stands."""
        secrets = self.secrets()
        for name, value in super().__repr_args__():
            yield name, _shown(value, secrets) if isinstance(value, _URLS) else value


class Settings(Environment):
    """Settings of workers and of the command line."""

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
    downloads_from_loopback: bool | None = Field(
        default=None,
        description="Fetch files by plain HTTP and from this machine, too: only for rehearsals. None: if KIE_API_URL "
        "is this machine.",
    )
    kie_callback_url: HttpUrl | None = Field(
        default=None, description="Public address under which KIE.ai calls back; none: only looks tell."
    )
    callback_secret: CallbackSecret = None
    still_host: Literal["kie", "catbox", "s3"] = Field(
        default="kie", description="Where stills are put for Kling to fetch."
    )
    catbox_url: HttpUrl = Field(default=HttpUrl("https://catbox.moe"), description="catbox.moe.")
    catbox_userhash: SecretStr | None = Field(default=None, description="Account of catbox.moe; none: anonymous.")

    kling_slots: int = Field(
        default=5, ge=1, le=100, description="Most Kling tasks in flight, over everything; later: gate limit."
    )
    gate_ask_again_seconds: float = Field(
        default=45,
        gt=0,
        le=50,
        description="Pause after which a video that waits at the gate hands its tickets in again: they may be lost.",
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

    def downloads_from_this_machine(self) -> bool:
        """Whether files are fetched from loopback addresses, too, because the providers are simulated there."""
        if self.downloads_from_loopback is not None:
            return self.downloads_from_loopback
        return is_loopback(self.kie_api_url.host or "")

    def store_place(self) -> StorePlace:
        """The object store these settings name."""
        return StorePlace(
            url=str(self.object_store_url),
            endpoint=str(self.s3_endpoint) if self.s3_endpoint else None,
            region=self.s3_region,
            access_key_id=plain(self.s3_access_key_id),
            secret_access_key=plain(self.s3_secret_access_key),
        )

    def callback_addresses(self) -> CallbackAddresses | None:
        """Where the provider calls back; None when nothing says where the world reaches the gateway.

        Raises:
            SettingsInvalid: addresses for the world would not be authenticated.
        """
        if self.kie_callback_url is None:
            return None
        secret = plain(self.callback_secret)
        if secret is None and not is_loopback(self.kie_callback_url.host or ""):
            self.needs(callback_secret="callbacks to a public KIE_CALLBACK_URL are authenticated with it")
        base = str(self.kie_callback_url).rstrip("/")
        return CallbackAddresses(base, CallbackSigner(secret) if secret else None)


class GatewaySettings(Environment):
    """Settings of the gateway: no key of a provider, no object store."""

    database_connections: int = Field(default=4, ge=1, le=100, description="Connections a process may hold.")
    callback_secret: CallbackSecret = None
    kie_webhook_key: SecretStr | None = Field(
        default=None, description="webhookHmacKey of KIE.ai; callbacks without its signature are refused then."
    )
    gateway_docs: bool = Field(default=False, description="Serve the API's description under /docs and /openapi.json.")


def plain(secret: SecretStr | None) -> str | None:
    """A secret's value, for the client that needs it."""
    return secret.get_secret_value() if secret else None


_URLS = (Url, MultiHostUrl, HttpUrl, PostgresDsn)


def _from_files(names: set[str], said: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Settings that files hold, by name; and what is wrong with such files, by NAME."""
    found, wrong = {}, {}
    for name in sorted(names):
        path = said.get(f"{name}_file")
        if path is None:
            continue
        if name in said:
            wrong[name.upper()] = f"is set, and {name.upper()}_FILE too: set one of them"
            continue
        try:
            with Path(path).open("rb") as file:
                content = file.read(FILE_LIMIT + 1)
            value = content.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as error:
            wrong[name.upper()] = f"{name.upper()}_FILE cannot be read ({type(error).__name__})"
            continue
        if len(content) > FILE_LIMIT or "\0" in value:
            wrong[name.upper()] = f"{name.upper()}_FILE names a file that is no setting"
        elif value:
            found[name] = value
    return found, wrong


def _secrets_of(url: Any) -> list[str]:
    """Passwords and secret parameters of an address, as they are and as the address writes them."""
    found: list[str] = []
    for host in url.hosts() if hasattr(url, "hosts") else [{"username": url.username, "password": url.password}]:
        secret = host["password"]
        if not secret and url.scheme in ("http", "https"):
            secret = host["username"]  # a token in the user's place
        if secret:
            found += [secret, unquote(secret)]
    for name, value in parse_qsl(urlsplit(str(url)).query):
        if _SECRET_PARAMETER.search(name):
            found += [value, quote(value, safe="")]
    return found


def _shown(url: object, secrets: list[str]) -> str:
    text = _URL_WITH_PASSWORD.sub(r"\1:[hidden]", str(url))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "[hidden]")
    return text


def _complaints(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else "DATABASE_PASSWORD"
        yield name, "is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
