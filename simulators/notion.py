"""Notion: pages with typed properties, a version header, and limits that say how long to wait."""

import math
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field

from simulators.desk import Call
from simulators.notion_pages import Change, Page, PageConfig, PropertyConfig, Rejected
from simulators.simulator import Simulator, SimulatorConfig
from simulators.windows import Bucket, SlidingWindow
from simulators.wire import Answer, json_answer

PAYLOAD_LIMIT = 500_000
CODES = {
    400: "validation_error",
    401: "unauthorized",
    403: "restricted_resource",
    404: "object_not_found",
    409: "conflict_error",
    429: "rate_limited",
    500: "internal_server_error",
    502: "bad_gateway",
    503: "service_unavailable",
    504: "gateway_timeout",
    529: "service_overload",
}


class NotionConfig(SimulatorConfig):
    tokens: tuple[str, ...] = ("sim-token",)
    versions: tuple[str, ...] = ("2022-06-28", "2025-09-03", "2026-03-11")
    policy: Literal["average", "window", "off"] = "average"
    rate: float = Field(default=3, gt=0)
    burst: float = Field(default=10, ge=1)
    window_limit: int = Field(default=180, ge=0)
    window_seconds: float = Field(default=60, gt=0)
    workspace_limit: int = Field(default=0, ge=0)
    workspace_seconds: float = Field(default=600, gt=0)
    reject_in_progress: bool = False
    pages: tuple[PageConfig, ...] = ()


class Words:
    """How Notion words a refusal."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed}:requests")

    def refuse(self, status: int, code: str, msg: str, *, wait: float | None = None, reason: str = "") -> Answer:
        request_id = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        body: dict[str, Any] = {"object": "error", "status": status, "code": code, "message": msg}
        body["request_id"] = request_id
        if reason:
            body["additional_data"] = {"rate_limit_reason": reason}
        headers = {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
        return json_answer(body, status, code=code, headers=headers)

    def error(self, route: str, status: int, code: int | str | None, msg: str | None) -> Answer:
        told = str(code or CODES.get(status, "internal_server_error"))
        return self.refuse(status, told, msg or f"Notion says {told}.", wait=1 if status in (429, 529) else None)

    def coded(self, route: str, code: int | str, msg: str | None) -> Answer:
        return json_answer({"object": "error", "code": code, "message": msg or "error"}, code=code)


class Limits:
    """Per connection, and over all connections of the workspace."""

    def __init__(self, config: NotionConfig, words: Words) -> None:
        self._config = config
        self._words = words
        self._buckets: dict[str, Bucket] = {}
        self._windows: dict[str, SlidingWindow] = {}
        self._workspace = SlidingWindow()

    def refusal(self, token: str, now: float) -> Answer | None:
        config = self._config
        if config.policy == "average":
            bucket = self._buckets.setdefault(token, Bucket())
            if not bucket.admit(now, config.rate, config.burst):
                return self._limited(bucket.wait(config.rate), "connection")
        elif config.policy == "window":
            window = self._windows.setdefault(token, SlidingWindow())
            if not window.admit(now, config.window_limit, config.window_seconds):
                return self._limited(window.wait(now, config.window_seconds), "connection")
        if config.workspace_limit and not self._workspace.admit(now, config.workspace_limit, config.workspace_seconds):
            return self._limited(self._workspace.wait(now, config.workspace_seconds), "workspace")
        return None

    def _limited(self, wait: float, reason: str) -> Answer:
        return self._words.refuse(429, "rate_limited", "You have been rate limited.", wait=wait, reason=reason)


class NotionSimulator(Simulator[NotionConfig]):
    """One host: pages, and the schema they follow."""

    name: ClassVar[str] = "notion"

    def __init__(self, config: NotionConfig | None = None) -> None:
        super().__init__(config or NotionConfig())
        self._words = Words(self.config.seed)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._limits = Limits(self.config, self._words)
        self._dice = random.Random(f"{self.config.seed}:pages")
        self._pages: dict[str, Page] = {}
        self.reads = self.patches = 0
        for page in self.config.pages:
            self._add(page)

    # ── what tests hold it by ────────────────────────────────────────────

    def add_page(
        self,
        page_id: str | None = None,
        properties: Mapping[str, PropertyConfig] | None = None,
        *,
        shared: bool = True,
    ) -> str:
        """A page in a database of its own; returns the page's id. Not shared: the integration cannot see it."""
        given: dict[str, Any] = {} if properties is None else {"properties": dict(properties)}
        return self._add(PageConfig(page_id=page_id, shared=shared, **given))

    def history(self, page_id: str, name: str) -> list[Change]:
        """Every value this property was given, in order."""
        return list(self._pages[_bare(page_id)].history.get(name, []))

    def value(self, page_id: str, name: str) -> Any:
        return self._pages[_bare(page_id)].values[name]

    def _add(self, page: PageConfig) -> str:
        page_id = page.page_id or str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        self._pages[_bare(page_id)] = Page(page_id, page, self.clock.now())
        return page_id

    # ── routes ───────────────────────────────────────────────────────────

    def applications(self) -> dict[str, tuple[int, web.Application]]:
        desk = self.desk(self._words)
        app = desk.application()
        desk.add(app, "GET", "/v1/pages/{id}", "getPage", self._get_page)
        desk.add(app, "PATCH", "/v1/pages/{id}", "patchPage", self._patch_page)
        desk.add(app, "GET", "/v1/databases/{id}", "getDatabase", self._get_schema)
        desk.add(app, "GET", "/v1/data_sources/{id}", "getDataSource", self._get_schema)
        return {"api": (self.config.port, app)}

    async def _get_page(self, call: Call) -> Answer:
        self.reads += 1
        found = self._visible(call)
        return found if isinstance(found, Answer) else json_answer(found.to_json(self.api_url))

    async def _get_schema(self, call: Call) -> Answer:
        found = self._visible(call)
        if isinstance(found, Answer):
            return found
        kind = "database" if call.route == "getDatabase" else "data_source"
        return json_answer({"object": kind, "id": found.database_id, "properties": found.schema()})

    async def _patch_page(self, call: Call) -> Answer:
        found = self._visible(call)
        if isinstance(found, Answer):
            return found
        if len(call.body) > PAYLOAD_LIMIT:
            return self._words.refuse(400, "validation_error", "body exceeds 500KB.")
        body = call.json_object()
        if body is None:
            return self._words.refuse(400, "invalid_json", "Error parsing JSON body.")
        try:
            found.patch(body, self.clock.now(), time.time(), reject_in_progress=self.config.reject_in_progress)
        except Rejected as problem:
            return self._words.refuse(400, "validation_error", str(problem))
        self.patches += 1
        return json_answer(found.to_json(self.api_url))

    def _visible(self, call: Call) -> Page | Answer:
        """The page this call is about, or what is said instead."""
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.config.tokens:
            return self._words.refuse(401, "unauthorized", "API token is invalid.")
        version = call.headers.get("Notion-Version")
        if version is None:
            return self._words.refuse(400, "missing_version", "Notion-Version header should be defined.")
        if version not in self.config.versions:
            return self._words.refuse(400, "invalid_request", f"Notion-Version {version} is not supported.")
        if refusal := self._limits.refusal(token, self.clock.now()):
            return refusal
        wanted = call.part("id")
        page = self._pages.get(_bare(wanted))
        if page is None and call.route in ("getDatabase", "getDataSource"):
            page = next((page for page in self._pages.values() if _bare(page.database_id) == _bare(wanted)), None)
        if page is None or not page.shared:
            kind = "page" if "Page" in call.route else "database"
            msg = f"Could not find {kind} with ID: {wanted}. Make sure it is shared with your integration."
            return self._words.refuse(404, "object_not_found", msg)
        return page

    # ── what the admin door asks ─────────────────────────────────────────

    def deeds(self) -> dict[str, Any]:
        return {"pages": self._posted_page}

    async def _posted_page(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"page_id": self._add(PageConfig.model_validate(body))}

    def forget(self) -> None:
        self._start_afresh()

    def counters(self) -> dict[str, Any]:
        return {"reads": self.reads, "patches": self.patches}

    def ledger_parts(self) -> dict[str, Callable[[], Any]]:
        return {"pages": lambda: {page.page_id: _told(page) for page in self._pages.values()}}


def _told(page: Page) -> dict[str, Any]:
    history = {name: [asdict(change) for change in changes] for name, changes in page.history.items()}
    moment = datetime.fromtimestamp(page.edited, UTC).isoformat(timespec="milliseconds")
    return {"values": dict(page.values), "history": history, "last_edited_time": moment}


def _bare(page_id: str) -> str:
    return page_id.replace("-", "").lower()
