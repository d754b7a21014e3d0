"""The file of a render comes home: fetched from its server, and looked at."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import structlog

from activities._comfy_file import SUFFIXES, verified, without_prompts
from activities._comfy_identity import prefix_of, provenance_of
from activities._comfy_news import RenderNews
from activities._comfy_rules import Made, RenderRules
from activities._comfy_servers import ComfyServer
from comfy_workflows.graph import BoundGraph
from studio.contracts.rendering import GraphToRender
from studio.errors import BadClip, BadStill, OutputMissing
from studio.providers.comfyui_answers import ComfyJob, ComfyOutput

_log = structlog.get_logger()


class Delivery:
    """Brings files of one order from one server into one folder."""

    def __init__(
        self, server: ComfyServer, order: GraphToRender, news: RenderNews, rules: RenderRules, folder: Path
    ) -> None:
        self._server = server
        self._order = order
        self._news = news
        self._rules = rules
        self._folder = folder

    async def of_job(self, job: ComfyJob, attempt: int, bound: BoundGraph) -> Made:
        """What a prompt that succeeded has made.

        A server may name no file although one is there: when it found every node in its cache, or an older server
        told half. So the file is looked for by its own name before the render counts as lost and is made again.

        Raises:
            OutputMissing, DownloadBroken: it does not come.
            BadClip, BadStill: it is not what was ordered.
        """
        try:
            output = job.output(bound.output_node, bound.kind)
        except OutputMissing:
            if made := await self.left_behind(attempt, bound):
                return made
            raise
        return await self._fetched(output, attempt, noted(job, output, bound), seconds=job.seconds or 0)

    async def ended_before(self, job: ComfyJob, attempt: int, bound: BoundGraph) -> Made | None:
        """What came of a prompt before we came, if it is good."""
        with suppress(OutputMissing, BadClip, BadStill):
            if job.state == "success":
                return await self.of_job(job, attempt, bound)
        return None

    async def left_behind(self, attempt: int, bound: BoundGraph) -> Made | None:
        """A file under the attempt's name, from before the server was started anew. It may be half of one."""
        prefix = prefix_of(self._order.take, attempt)
        output = await self._server.client.find_output(prefix, SUFFIXES[bound.kind])
        if output is None:
            return None
        try:
            made = await self._fetched(output, attempt, bound, seconds=0)
        except (OutputMissing, BadClip, BadStill) as bad:
            _log.info("render.leftover_refused", reason=str(bad))
            return None
        _log.info("render.recovered", render_attempt=attempt)
        return made

    async def _fetched(self, output: ComfyOutput, attempt: int, bound: BoundGraph, *, seconds: float) -> Made:
        self._news.tell(stage="keeping", fraction=1.0, node="")
        path = self._folder / f"take_{attempt}{SUFFIXES[bound.kind]}"
        await self._server.client.fetch(output, path)
        path, info = await verified(path, self._order, bound)
        if not self._rules.prompts_in_files:
            path = await without_prompts(path, provenance_of(self._order.take, attempt))
        return Made(path, bound, info, attempt, seconds)


def noted(job: ComfyJob, output: ComfyOutput, bound: BoundGraph) -> BoundGraph:
    """With a note, when the node saved further files of the same kind."""
    alike = [file for file in job.saved(bound.output_node, bound.kind) if file.suffix == output.suffix]
    if len(alike) < 2:
        return bound
    note = f"node {bound.output_node} saved {len(alike)} files; the first one was taken"
    return replace(bound, notes=(*bound.notes, note))
