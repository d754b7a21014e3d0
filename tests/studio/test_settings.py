"""The environment, read once: everything that is wrong is said at once, by name."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from studio.callback_address import CallbackAddresses
from studio.settings import GatewaySettings, Settings, SettingsInvalid, plain

DATABASE_URL = "postgresql://longtake:db-pass-7F@db.example:5432/longtake"
ENOUGH = {"DATABASE_URL": DATABASE_URL, "OBJECT_STORE_URL": "file:///srv/objects"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing about us."""
    for name in Settings.model_fields.keys() | GatewaySettings.model_fields.keys():
        for spelled in (name, f"{name}_file"):
            monkeypatch.delenv(spelled.upper(), raising=False)
            monkeypatch.delenv(spelled, raising=False)
    return monkeypatch


def says(environment: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        environment.setenv(name, value)


def complaint(fallback: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsInvalid) as invalid:
        Settings.from_env(fallback)
    return str(invalid.value)


# ── what is wrong ────────────────────────────────────────────────────────


def test_what_has_to_be_set_is_named_all_at_once() -> None:
    assert complaint() == ("Settings are missing or wrong:\n  DATABASE_URL: is not set\n  OBJECT_STORE_URL: is not set")


def test_everything_that_is_wrong_is_named_at_once_with_its_reason(environment: pytest.MonkeyPatch) -> None:
    says(
        environment,
        TEMPORAL_ADDRESS="temporal.example",
        DATABASE_URL="mysql://root@db/longtake",
        KLING_SLOTS="0",
        KLING_LOOK_MIN_SECONDS="soon",
        STILL_HOST="imgur",
        KIE_API_URL="api.kie.ai",
        LOG_LEVEL="loud",
    )
    lines = complaint().splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [
        "TEMPORAL_ADDRESS",
        "DATABASE_URL",
        "LOG_LEVEL",
        "OBJECT_STORE_URL",
        "KIE_API_URL",
        "STILL_HOST",
        "KLING_SLOTS",
        "KLING_LOOK_MIN_SECONDS",
    ]
    assert lines[0] == "  TEMPORAL_ADDRESS: write it as host:port"
    assert lines[3] == "  OBJECT_STORE_URL: is not set"
    assert lines[5] == "  STILL_HOST: Input should be 'kie', 'catbox' or 's3'"


def test_what_is_wrong_is_never_repeated(environment: pytest.MonkeyPatch) -> None:
    """It may be a secret in the wrong place."""
    says(environment, **ENOUGH, DATABASE_CONNECTIONS="secret-7F", STILL_HOST="secret-7F", S3_ENDPOINT="secret-7F")
    said = complaint()
    assert said.count("\n") == 3
    assert "secret-7F" not in said


@pytest.mark.parametrize("url", ["http://host/objects", "/srv/objects", "ftp://host/x", "objects"])
def test_an_object_store_is_a_folder_or_a_bucket(environment: pytest.MonkeyPatch, url: str) -> None:
    says(environment, **ENOUGH | {"OBJECT_STORE_URL": url})
    assert "OBJECT_STORE_URL: " in complaint()


@pytest.mark.parametrize("address", ["temporal", ":7233", "temporal:", "temporal:http", "http://temporal"])
def test_temporals_address_is_a_host_and_a_port(environment: pytest.MonkeyPatch, address: str) -> None:
    says(environment, **ENOUGH, TEMPORAL_ADDRESS=address)
    assert "TEMPORAL_ADDRESS: write it as host:port" in complaint()


def test_the_address_of_a_comfyui_server_carries_no_password(environment: pytest.MonkeyPatch) -> None:
    says(environment, **ENOUGH, COMFYUI_URL="http://me:secret-7F@gpu-1:8188")
    said = complaint()
    assert "COMFYUI_URL: no user and password here" in said
    assert "secret-7F" not in said


# ── where it comes from ──────────────────────────────────────────────────


def test_the_environment_wins_over_the_fallback(environment: pytest.MonkeyPatch) -> None:
    says(environment, KLING_SLOTS="7", DATABASE_URL=DATABASE_URL)
    settings = Settings.from_env({**ENOUGH, "DATABASE_URL": "postgresql://other/x", "KLING_SLOTS": "3", "PATH": "x"})
    assert settings.kling_slots == 7
    assert str(settings.database_url) == DATABASE_URL
    assert str(settings.object_store_url) == "file:///srv/objects"


def test_an_empty_variable_says_nothing(environment: pytest.MonkeyPatch) -> None:
    says(environment, KLING_SLOTS="", KIE_API_KEY="", NOTION_TOKEN="")
    settings = Settings.from_env({**ENOUGH, "KLING_SLOTS": "3"})
    assert settings.kling_slots == 3
    assert settings.kie_api_key is None
    assert settings.notion_token is None


def test_a_fallback_that_is_wrong_is_named_too() -> None:
    assert "KIE_SPEED: " in complaint({**ENOUGH, "KIE_SPEED": "fast"})


def test_the_environment_wins_in_lower_case_too(environment: pytest.MonkeyPatch) -> None:
    says(environment, kling_slots="7")
    assert Settings.from_env({**ENOUGH, "KLING_SLOTS": "3"}).kling_slots == 7


def test_settings_do_not_change() -> None:
    settings = Settings.from_env(ENOUGH)
    with pytest.raises(ValidationError, match="frozen"):
        settings.kling_slots = 9  # type: ignore[misc]  # what must not work


def test_with_nothing_but_the_necessary_everything_has_its_usual_value() -> None:
    settings = Settings.from_env(ENOUGH)
    assert settings.temporal() == {
        "address": "127.0.0.1:7233",
        "namespace": "default",
        "api_key": None,
        "tls": False,
    }
    assert (settings.still_host, settings.kling_slots, settings.kie_speed) == ("kie", 5, 1)
    assert str(settings.kie_api_url) == "https://api.kie.ai/"
    assert settings.work_dir == Path("data/work")
    place = settings.store_place()
    assert (place.url, place.endpoint, place.region) == ("file:///srv/objects", None, "us-east-1")


# ── what a process cannot do without ─────────────────────────────────────


def test_what_a_process_needs_is_named_all_at_once() -> None:
    settings = Settings.from_env({**ENOUGH, "NOTION_TOKEN": "t"})
    with pytest.raises(SettingsInvalid) as invalid:
        settings.needs(kie_api_key="the queue kling orders clips with it", notion_token="…", s3_endpoint="for stills")
    assert str(invalid.value) == (
        "These settings are missing:\n  KIE_API_KEY: the queue kling orders clips with it\n  S3_ENDPOINT: for stills"
    )


def test_what_is_set_is_not_asked_for() -> None:
    Settings.from_env({**ENOUGH, "KIE_API_KEY": "k"}).needs(kie_api_key="it orders clips")


# ── secrets ──────────────────────────────────────────────────────────────

SECRETS = {
    "TEMPORAL_API_KEY": "temporal-7F",
    "S3_ACCESS_KEY_ID": "access-7F",
    "S3_SECRET_ACCESS_KEY": "secret-7F",
    "KIE_API_KEY": "kie-7F",
    "CALLBACK_SECRET": "callback-secret-7F",
    "CATBOX_USERHASH": "hash-7F",
    "NOTION_TOKEN": "notion-7F",
}


GATEWAY_SECRETS = {
    "TEMPORAL_API_KEY": "temporal-7F",
    "CALLBACK_SECRET": "callback-secret-7F",
    "KIE_WEBHOOK_KEY": "webhook-7F",
}
"""The gateway knows no key of a provider and no object store."""


def test_every_secret_is_known_and_the_databases_password_is_one() -> None:
    settings = Settings.from_env(ENOUGH | SECRETS)
    assert sorted(settings.secrets()) == sorted([*SECRETS.values(), "db-pass-7F"])


def test_no_secret_of_a_later_version_is_forgotten() -> None:
    """Whatever is a `SecretStr` is in the tables above."""
    for kind, known in ((Settings, SECRETS), (GatewaySettings, GATEWAY_SECRETS)):
        secret = {name.upper() for name, field in kind.model_fields.items() if "SecretStr" in str(field.annotation)}
        assert secret == known.keys() | {"DATABASE_PASSWORD"}


def test_without_secrets_there_are_none() -> None:
    assert Settings.from_env(ENOUGH | {"DATABASE_URL": "postgresql://localhost/longtake"}).secrets() == []


def test_the_passwords_of_all_hosts_are_secrets() -> None:
    many = ENOUGH | {"DATABASE_URL": "postgresql://u:first-7F@one:5432,u:second-7F@two:5432/longtake"}
    assert Settings.from_env(many).secrets() == ["first-7F", "second-7F"]


def test_a_password_is_known_as_it_is_and_not_only_as_a_url_writes_it() -> None:
    settings = Settings.from_env(ENOUGH | {"DATABASE_URL": "postgresql://u:p%40ss%2Fword@db/longtake"})
    assert "p@ss/word" in settings.secrets()


PASSWORD = "p/w#4?5@6:7%8 9&é\\"
"""Characters that mean something in an address."""


def test_a_password_of_any_characters_has_a_setting_of_its_own() -> None:
    settings = Settings.from_env(
        ENOUGH
        | {"DATABASE_URL": "postgresql://longtake@db.example:5432/longtake?sslmode=require"}
        | {"DATABASE_PASSWORD": PASSWORD}
    )
    parts = urlsplit(settings.database_dsn())
    assert (parts.username, unquote(parts.password or ""), parts.hostname, parts.port) == (
        "longtake",
        PASSWORD,
        "db.example",
        5432,
    )
    assert (parts.path, parts.query) == ("/longtake", "sslmode=require")
    assert PASSWORD in settings.secrets()
    assert Settings.from_env(ENOUGH).database_dsn() == DATABASE_URL
    assert "DATABASE_PASSWORD: DATABASE_URL holds a password already" in complaint(ENOUGH | {"DATABASE_PASSWORD": "x"})


def test_a_secret_may_be_in_a_file_that_the_environment_names(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, content in {"key": f"{PASSWORD}\n", "dsn": DATABASE_URL, "slots": "7\r\n", "nothing": "\n"}.items():
        (tmp_path / name).write_text(content, newline="")
    says(environment, KIE_API_KEY_FILE=str(tmp_path / "key"), DATABASE_URL_FILE=str(tmp_path / "dsn"))
    says(environment, KLING_SLOTS_FILE=str(tmp_path / "slots"), NOTION_TOKEN_FILE=str(tmp_path / "nothing"))
    settings = Settings.from_env({"OBJECT_STORE_URL": "file:///srv/objects", "KIE_API_KEY": "of the fallback"})
    assert plain(settings.kie_api_key) == PASSWORD
    assert settings.database_dsn() == DATABASE_URL
    assert settings.kling_slots == 7
    assert settings.notion_token is None


def test_a_file_that_holds_no_setting_is_named_without_its_content(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(b"secret-7F" * 10_000)
    (tmp_path / "nul").write_bytes(b"secret-7F\0")
    (tmp_path / "binary").write_bytes(b"secret-7F\xff")
    says(environment, **ENOUGH, KIE_API_KEY="a", KIE_API_KEY_FILE=str(tmp_path / "large"))
    says(environment, NOTION_TOKEN_FILE=str(tmp_path / "none"), S3_ACCESS_KEY_ID_FILE=str(tmp_path / "large"))
    says(environment, S3_SECRET_ACCESS_KEY_FILE=str(tmp_path / "nul"), CATBOX_USERHASH_FILE=str(tmp_path / "binary"))
    says(environment, TEMPORAL_API_KEY_FILE=str(tmp_path), LOG_LEVEL="loud")
    said = complaint()
    assert [line.split(":")[0].strip() for line in said.splitlines()[1:]] == [
        "CATBOX_USERHASH",
        "KIE_API_KEY",
        "NOTION_TOKEN",
        "S3_ACCESS_KEY_ID",
        "S3_SECRET_ACCESS_KEY",
        "TEMPORAL_API_KEY",
        "LOG_LEVEL",
    ]
    assert "secret-7F" not in said


def test_passwords_of_every_address_are_secrets_as_they_are_and_as_the_address_writes_them() -> None:
    addresses = {
        "S3_ENDPOINT": "http://me:s3%2Fpass-7F@objects:8333",
        "NOTION_API_URL": "https://notion-tok-7F@proxy.example/",
        "KIE_API_URL": "https://api.example/?api_key=kie%20key-7F&x=1",
        "DATABASE_URL": "postgresql://u@db/longtake?password=dsn-pass-7F",
    }
    settings = Settings.from_env(ENOUGH | addresses)
    known = ["s3%2Fpass-7F", "s3/pass-7F", "notion-tok-7F", "kie key-7F", "kie%20key-7F", "dsn-pass-7F"]
    assert set(known) <= set(settings.secrets())
    for shown in (repr(settings), str(settings)):
        assert [secret for secret in known if secret in shown] == []
        assert "api.example" in shown and "db/longtake" in shown


def test_settings_can_be_shown_without_their_secrets() -> None:
    given = ENOUGH | SECRETS | GATEWAY_SECRETS
    for settings in (Settings.from_env(given), GatewaySettings.from_env(given)):
        secrets = [*SECRETS.values(), *GATEWAY_SECRETS.values(), "db-pass-7F"]
        assert [secret for secret in secrets if secret in f"{settings!r} {settings}"] == []


def test_addresses_for_the_world_are_authenticated_and_those_of_this_machine_may_do_without() -> None:
    def of(**given: str) -> CallbackAddresses | None:
        return Settings.from_env(ENOUGH | given).callback_addresses()

    secret = "callback-secret-7F"
    assert of() is None
    local = of(KIE_CALLBACK_URL="http://127.0.0.1:8080/")
    assert local is not None and (local.base, local.signer) == ("http://127.0.0.1:8080", None)
    public = of(KIE_CALLBACK_URL="https://hooks.example.org/x", CALLBACK_SECRET=secret)
    assert public is not None and public.base == "https://hooks.example.org/x" and public.signer is not None
    with pytest.raises(SettingsInvalid, match="CALLBACK_SECRET: callbacks to a public KIE_CALLBACK_URL"):
        of(KIE_CALLBACK_URL="https://hooks.example.org")
    assert "CALLBACK_SECRET: has fewer than 16 characters" in complaint(ENOUGH | {"CALLBACK_SECRET": "short"})


def test_a_secret_is_handed_out_to_the_client_that_needs_it() -> None:
    assert plain(SecretStr("kie-7F")) == "kie-7F"
    assert plain(None) is None
