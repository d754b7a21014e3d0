"""All routes of a server, each under `/` and under `/api`."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from aiohttp import web

from simulators.comfyui.about import About
from simulators.comfyui.core import Core
from simulators.comfyui.files import Files
from simulators.comfyui.gpu import Gpu
from simulators.comfyui.jobs import Jobs
from simulators.comfyui.queueing import Queueing
from simulators.comfyui.sockets import Hub
from simulators.comfyui.submission import Submission
from simulators.comfyui.versions import CANCEL, JOBS
from simulators.comfyui.words import plain
from simulators.desk import Call, Desk, Handler
from simulators.wire import Answer


def application(core: Core, gpu: Gpu, submission: Submission, desk: Desk) -> web.Application:
    queueing, files, about = Queueing(core, gpu), Files(core), About(core)
    routes: list[tuple[str, str, str, Handler]] = [
        ("POST", "/prompt", "prompt", submission.post),
        ("GET", "/prompt", "exec_info", queueing.exec_info),
        ("GET", "/queue", "queue", queueing.queue),
        ("POST", "/queue", "edit_queue", queueing.edit_queue),
        ("POST", "/interrupt", "interrupt", queueing.interrupt),
        ("GET", "/history", "history", queueing.history),
        ("GET", "/history/{prompt_id}", "history", queueing.history_of),
        ("POST", "/history", "edit_history", queueing.edit_history),
        ("POST", "/free", "free", queueing.free),
        ("POST", "/upload/image", "upload", files.upload),
        ("GET", "/view", "view", files.view),
        ("HEAD", "/view", "view", files.view),
        ("GET", "/system_stats", "system_stats", about.system_stats),
        ("GET", "/object_info", "object_info", about.object_info),
        ("GET", "/object_info/{name}", "object_info", about.object_info_of),
        ("GET", "/models", "models", about.model_folders),
        ("GET", "/models/{folder}", "models", about.models),
        ("GET", "/features", "features", about.features),
    ]
    app = desk.application()
    for method, path, route, handler in routes:
        for prefix in ("", "/api"):
            desk.add(app, method, f"{prefix}{path}", route, _from_here(handler))
    jobs = Jobs(core, gpu)
    if core.config.has(JOBS):
        desk.add(app, "GET", "/api/jobs", "jobs", _from_here(jobs.listing))
        desk.add(app, "GET", "/api/jobs/{job_id}", "job", _from_here(jobs.one))
    if core.config.has(CANCEL):
        desk.add(app, "POST", "/api/jobs/cancel", "cancel", _from_here(jobs.cancel_many))
        desk.add(app, "POST", "/api/jobs/{job_id}/cancel", "cancel", _from_here(jobs.cancel))
    for path in ("/ws", "/api/ws"):
        app.router.add_get(path, _socket(core.hub))
    # The editor's own files come last, for every path: so an unknown GET is 404, and an unknown POST is 405.
    app.router.add_get("/{path:.*}", _nothing_there)
    return app


def _from_here(handler: Handler) -> Handler:
    """A page of another origin is turned away."""

    async def guarded(call: Call) -> Answer:
        return plain(403) if _foreign(call.headers) else await handler(call)

    return guarded


def _socket(hub: Hub) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        if _foreign(request.headers):
            raise web.HTTPForbidden
        return await hub.serve(request)

    return serve


def _foreign(headers: Mapping[str, str]) -> bool:
    origin = headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("Host", "")


async def _nothing_there(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound
