"""What went wrong, as problem documents (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException


class Problem(Exception):
    """A request is answered with this status, and with what its sender may know about the reason."""

    def __init__(self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def report_problems(app: FastAPI) -> None:
    """Answer every error of this application with a problem document."""
    app.add_exception_handler(Problem, _told)
    app.add_exception_handler(HTTPException, _of_the_framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _surprise)


def _document(problem: Problem) -> JSONResponse:
    content = {"title": problem.status.phrase, "status": int(problem.status), "detail": problem.detail}
    return JSONResponse(content, problem.status, problem.headers, media_type="application/problem+json")


def _told(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return _document(error)


def _of_the_framework(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _document(Problem(HTTPStatus(error.status_code), error.detail, headers=error.headers))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    lines = [f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors()]
    return _document(Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "\n".join(lines)))


def _surprise(_: Request, error: Exception) -> JSONResponse:
    return _document(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is our fault; the logs say more."))
