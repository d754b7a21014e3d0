"""Writes the generated parts of the docs: `python -m docs.generate` (or `poe docs`). A test keeps them current."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from docs.cli import cli_page, filled
from docs.graphs import graphs_page
from studio.contracts.gate import ChannelWeight, GateStatus, TicketPage, TicketsAfter
from studio.contracts.project import ProjectName
from studio.contracts.project_draft import ProjectDraft, ProjectReview, WrittenProject
from studio.contracts.sentence import ProjectProgress, ProjectRequest, ProjectResult, SentenceOutcome, SentenceRequest
from studio.contracts.video import VideoProgress, VideoRequest, VideoResult
from studio.errors import StudioError, error_types
from studio.settings import GatewaySettings, Settings

ROOT = Path(__file__).resolve().parent.parent
REQUESTS = (VideoRequest, ProjectDraft, ProjectName, SentenceRequest, ProjectRequest, TicketsAfter)
SCHEMAS: tuple[type[BaseModel], ...] = (
    *REQUESTS,
    VideoProgress,
    VideoResult,
    WrittenProject,
    ProjectReview,
    SentenceOutcome,
    ProjectProgress,
    ProjectResult,
    GateStatus,
    TicketPage,
    ChannelWeight,
)
"""The public contracts: what crosses the border to callers in other languages."""
RAISED_PARENTS = ("RequestRefused", "GenerationFailed", "GraphRefused", "ExecutionFailed")
"""Errors that have children and are raised themselves as well."""


def generated() -> dict[Path, str]:
    """Every generated file → what it should say."""
    files = {ROOT / "docs" / "schemas" / f"{model.__name__}.json": _schema(model) for model in SCHEMAS}
    files[ROOT / "README.md"] = _filled("README.md", "settings", _settings_table())
    files[ROOT / "docs" / "for_services.md"] = _filled("docs/for_services.md", "errors", _errors_table())
    files[ROOT / "docs" / "cli.md"] = cli_page((ROOT / "docs" / "cli.md").read_text(encoding="utf-8"))
    files[ROOT / "docs" / "graphs.md"] = graphs_page()
    return files


def main() -> None:
    """Write them, and say which ones changed."""
    for path, text in generated().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT), file=sys.stderr)


def _schema(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(mode="validation" if model in REQUESTS else "serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _filled(name: str, part: str, text: str) -> str:
    """The file with what stands between its markers replaced."""
    return filled((ROOT / name).read_text(encoding="utf-8"), part, text)


def _settings_table() -> str:
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    fields = Settings.model_fields | GatewaySettings.model_fields | Settings.model_fields
    for name, info in fields.items():
        default = "**required**" if info.is_required() else _plain(info.default)
        rows.append(f"| `{name.upper()}` | {default} | {info.description} |")
    return "\n".join(rows) + "\n"


def _plain(default: object) -> str:
    if default is None:
        return ""
    return f"`{str(default).rstrip('/')}`"


def _errors_table() -> str:
    rows = ["| type | what it means | tried again | closes the gate |", "|---|---|---|---|"]
    rows += [
        f"| `{error.__name__}` | {_meaning(error)} | {_yes(error.retryable)} | {_closes(error)} |"
        for error in _named_errors()
    ]
    return "\n".join(rows) + "\n"


def _named_errors() -> Iterator[type[StudioError]]:
    for error in error_types():
        if not error.__subclasses__() or error.__name__ in RAISED_PARENTS:
            yield error


def _meaning(error: type[StudioError]) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]


def _closes(error: type[StudioError]) -> str:
    return "until a top-up" if error.until_top_up else _yes(error.stops_everyone)


def _yes(value: bool) -> str:
    return "yes" if value else ""


if __name__ == "__main__":
    main()
