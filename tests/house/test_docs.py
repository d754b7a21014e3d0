"""Docs are held by tests: what is generated is current, what is named exists."""

import re
from pathlib import Path

import pytest

from commands.filmfile import read_film_file
from commands.projectfile import read_project_file
from docs.generate import ROOT, generated
from studio.contracts.film import VideoRequest
from studio.contracts.project_draft import ProjectDraft

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


def test_every_command_of_the_readme_is_one() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = set(re.findall(r"starter\.py (\w+(?: \w+)?)", readme))
    source = "\n".join(path.read_text() for path in (ROOT / "commands").glob("*.py"))
    words = {word for command in commands for word in command.split() if word not in ("harbour", "examples")}
    assert words
    assert [
        word
        for word in words
        if not re.search(
            rf'(def {word}\(|command\("{word}"[,)]|name="{word}")', source + (ROOT / "starter.py").read_text()
        )
    ] == []


EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.stem != "story"], ids=lambda path: path.name)
def test_an_example_film_is_a_film(path: Path) -> None:
    film = read_film_file(path)
    for clip in film.clips:
        assert (path.parent / clip.still).exists()


def test_the_example_project_is_a_project() -> None:
    project = read_project_file(ROOT / "examples" / "story.yaml")
    stills = [sentence.still for sentence in project.sentences if sentence.still]
    assert stills and all((ROOT / "examples" / still).exists() for still in stills)


def test_the_json_of_the_service_docs_is_a_request() -> None:
    text = (ROOT / "docs" / "for_services.md").read_text().replace("0f1e…64 hexadecimal digits", "0" * 64)
    film, project = re.findall(r"```json\n(.+?)```", text, re.DOTALL)
    VideoRequest.model_validate_json(film)
    ProjectDraft.model_validate_json(project)
