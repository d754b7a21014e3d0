"""Docs are held by tests: what is generated is current, what is named exists."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

import starter
from commands.projectfile import read_project_file
from commands.video_file import read_video_file
from docs.generate import ROOT, generated
from studio.contracts.project_draft import ProjectDraft
from studio.contracts.video import VideoRequest

FILES = generated()
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCS += [ROOT / room / "README.md" for room in ("comfy_workflows", "simulators")]


def test_the_generated_parts_are_current() -> None:
    stale = [path.name for path, text in FILES.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make docs`"


def test_a_link_leads_somewhere() -> None:
    missing = []
    for path in DOCS:
        text = path.read_text(encoding="utf-8")
        links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
        missing += [f"{path.name}: {link}" for link in links if link and not (path.parent / link).exists()]
    assert missing == []


def test_every_test_that_coverage_names_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)(?:::(test_\w+)(…)?)?`", (ROOT / "docs" / "coverage.md").read_text())
    assert named
    sources = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    lost = [name for name, test, _ in named if name not in sources or (test and f"def {test}" not in sources[name])]
    assert lost == []


GROUPS = "video|project|comfy|gate|lost|budget|costs"


def test_every_command_of_the_docs_is_one() -> None:
    """`starter.py video start …` anywhere, and `video start …` in backticks."""
    root: Any = typer.main.get_command(starter.app)
    groups: dict[str, Any] = {name: getattr(command, "commands", None) for name, command in root.commands.items()}
    unknown, seen = [], 0
    for path in DOCS:
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"starter\.py ([a-z]+)(?: ([a-z][a-z-]*))?", text)
        named += re.findall(rf"`({GROUPS}) ([a-z][a-z-]*)[ `]", text.replace("`budget reached`", ""))  # a status
        for first, second in named:
            seen += 1
            if first not in groups or (second and groups[first] is not None and second not in groups[first]):
                unknown.append(f"{path.name}: {first} {second}")
    assert seen > 50
    assert unknown == []


def test_every_message_of_the_troubleshooting_page_is_one_of_ours() -> None:
    """What stands between the gaps of a message is in our code, so that people find it by searching."""
    rooms = ("activities", "commands", "comfy_workflows", "gateway", "local", "studio", "workflows_temporal")
    source = "\n".join(path.read_text(encoding="utf-8") for room in rooms for path in (ROOT / room).rglob("*.py"))
    source = " ".join(re.sub(r'"\s*\n\s*f?"', "", source).replace("\\n", " ").split())
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!message|---)(.+?) \|", page, re.MULTILINE)
    assert len(rows) > 35
    parts = [(row, part.strip(" `;,")) for row in rows for part in re.split(r"…| / |`[^`]*`", row)]
    missing = [row for row, part in parts if len(part) > 9 and part not in source]
    assert missing == []


def test_the_env_example_sets_all_that_the_compose_file_demands_and_nothing_it_does_not_know() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- env: tested -->\n```\n(.+?)```", page, re.DOTALL)
    assert found
    said = set(re.findall(r"^([A-Z0-9_]+)=", found[1], re.MULTILINE))
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    known = set(re.findall(r"\$\{([A-Z0-9_]+)", compose))
    demanded = set(re.findall(r"\$\{([A-Z0-9_]+):\?", compose))
    assert demanded - said == set()
    assert said - known == set()


def test_a_section_that_is_linked_is_there() -> None:
    missing = []
    for path in DOCS:
        for link, section in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text(encoding="utf-8")):
            target = path.parent / link if link else path
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
            if section not in anchors:
                missing.append(f"{path.name}: {link}#{section}")
    assert missing == []


EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.stem != "story"], ids=lambda path: path.name)
def test_an_example_video_is_a_video(path: Path) -> None:
    video = read_video_file(path)
    for clip in video.clips:
        assert (path.parent / clip.still).exists()


def test_the_example_project_is_a_project() -> None:
    project = read_project_file(ROOT / "examples" / "story.yaml")
    stills = [sentence.still for sentence in project.sentences if sentence.still]
    assert stills and all((ROOT / "examples" / still).exists() for still in stills)


def test_the_json_of_the_service_docs_is_a_request() -> None:
    text = (ROOT / "docs" / "for_services.md").read_text().replace("0f1e…64 hexadecimal digits", "0" * 64)
    video, project = re.findall(r"```json\n(.+?)```", text, re.DOTALL)
    VideoRequest.model_validate_json(video)
    ProjectDraft.model_validate_json(project)
