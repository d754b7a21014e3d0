"""/api/jobs: queue and history in one, on servers that have it."""

from typing import Any

from simulators.comfyui.core import Core
from simulators.comfyui.gpu import Gpu
from simulators.comfyui.memory import Past, Prompt
from simulators.comfyui.submission import is_canonical
from simulators.comfyui.versions import WHOLE_JOBS
from simulators.desk import Call
from simulators.wire import Answer, json_answer

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
SORTS = ("created_at", "execution_duration")
ENDS = {"execution_success": "completed", "execution_error": "failed", "execution_interrupted": "cancelled"}


class Jobs:
    """An id that was submitted twice is told as the run that has ended."""

    def __init__(self, core: Core, gpu: Gpu) -> None:
        self._core = core
        self._gpu = gpu

    async def listing(self, call: Call) -> Answer:
        self._core.ledger.count("polls")
        query = call.query
        wanted = [word.strip().lower() for word in query.get("status", "").split(",") if word.strip()]
        if unknown := [word for word in wanted if word not in STATUSES]:
            return _refused(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {', '.join(STATUSES)}")
        sort, direction = query.get("sort_by", "created_at"), query.get("sort_order", "desc")
        if sort not in SORTS or direction not in ("asc", "desc"):
            return _refused("sort_by or sort_order is not one of the valid values")
        try:
            offset = int(query.get("offset", 0))
            limit = int(query["limit"]) if "limit" in query else None
        except ValueError:
            return _refused("limit and offset must be integers")
        found = [job for job in self._all() if not wanted or job["status"] in wanted]
        found.sort(key=lambda job: _key(job, sort), reverse=direction == "desc")
        page = found[offset:] if limit is None else found[offset : offset + limit]
        more = {"offset": offset, "limit": limit, "total": len(found), "has_more": offset + len(page) < len(found)}
        return json_answer({"jobs": page, "pagination": more})

    async def one(self, call: Call) -> Answer:
        self._core.ledger.count("polls")
        job = self._job(call.part("job_id"))
        return json_answer({"error": "Job not found"}, 404) if job is None else json_answer(job)

    async def cancel(self, call: Call) -> Answer:
        return json_answer({"cancelled": self._gpu.cancel(call.part("job_id"))})

    async def cancel_many(self, call: Call) -> Answer:
        ids = (call.json_object() or {}).get("job_ids")
        if not isinstance(ids, list):
            return _refused("job_ids must be a list")
        if not all(is_canonical(job_id) for job_id in ids):
            return _refused("job_ids contains invalid id(s)")
        return json_answer({"cancelled": any([self._gpu.cancel(job_id) for job_id in ids])})

    def _job(self, job_id: str) -> dict[str, Any] | None:
        memory = self._core.memory
        if job_id in memory.history:
            past = memory.history[job_id]
            whole = {"outputs": past.outputs, "execution_status": past.status, "workflow": _workflow(past.prompt)}
            return self._ended(past) | whole
        running = memory.running is not None and memory.running.prompt_id == job_id
        prompt = memory.running if running else memory.queued(job_id)
        if prompt is None:
            return None
        told = _begun(prompt, "in_progress" if running else "pending")
        return told | {"workflow": _workflow(prompt)} if self._core.config.has(WHOLE_JOBS) else told

    def _all(self) -> list[dict[str, Any]]:
        memory = self._core.memory
        jobs = [self._ended(past) for past in memory.history.values()]
        jobs += [_begun(memory.running, "in_progress")] if memory.running else []
        return jobs + [_begun(entry[3], "pending") for entry in memory.pending]

    def _ended(self, past: Past) -> dict[str, Any]:
        messages = dict(past.status["messages"])
        end = next(name for name in ENDS if name in messages)
        status = ENDS[end]
        if status == "cancelled" and not self._core.config.has(WHOLE_JOBS):
            status = "failed"
        files = [(node, file) for node, shown in past.outputs.items() for file in shown.get("images", [])]
        told = {
            **_begun(past.prompt, status),
            "execution_start_time": messages["execution_start"]["timestamp"],
            "execution_end_time": messages[end]["timestamp"],
            "outputs_count": len(files),
            "previewable_outputs_count": len(files),
        }
        if end == "execution_error":
            told["execution_error"] = messages[end]
        if files:
            node, file = next((entry for entry in files if entry[1]["type"] == "output"), files[0])
            told["preview_output"] = {**file, "nodeId": node, "mediaType": "images"}
        return told


def _begun(prompt: Prompt, status: str) -> dict[str, Any]:
    told = {"id": prompt.prompt_id, "status": status, "priority": prompt.number, "create_time": prompt.create_time}
    return {**told, "outputs_count": 0}


def _workflow(prompt: Prompt) -> dict[str, Any]:
    return {"prompt": prompt.graph, "extra_data": prompt.extra}


def _key(job: dict[str, Any], sort: str) -> float:
    if sort == "created_at":
        return float(job["create_time"])
    return float(job.get("execution_end_time", 0) - job.get("execution_start_time", 0))


def _refused(message: str) -> Answer:
    return json_answer({"error": message}, 400, code=400)
