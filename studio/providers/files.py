"""Files at addresses that providers give us: no key, no API, only bytes."""

from pathlib import Path

import httpx

from studio.errors import DownloadBroken, LinkExpired, ProviderUnavailable
from studio.providers import _http

_TIMEOUT = httpx.Timeout(60, connect=10)
_GONE = (401, 403, 404, 410)


class FileClient:
    """Downloads. Its connections carry no credentials, because result hosts vary and are not ours."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def download(self, url: str, target: Path) -> int:
        """Write the file at `url` to `target`; returns its length in bytes.

        Raises:
            LinkExpired: the address is forbidden, gone or none.
            DownloadBroken: fewer bytes came than were promised, or the line broke.
            ProviderUnavailable: the host is down or unreachable.
        """
        try:
            async with self._http.stream("GET", url, timeout=_TIMEOUT, follow_redirects=True) as answer:
                if answer.status_code in _GONE:
                    raise LinkExpired(f"The file's address answers {answer.status_code}")
                if not answer.is_success:
                    raise ProviderUnavailable(
                        f"The file's host answered {answer.status_code}", retry_after=_http.retry_after(answer)
                    )
                return await _write(answer, target)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise LinkExpired("The file's address is none") from None
        except httpx.ConnectError as error:
            raise ProviderUnavailable(f"The file's host cannot be reached ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            raise DownloadBroken(f"The download broke off ({type(error).__name__})") from None


async def _write(answer: httpx.Response, target: Path) -> int:
    with target.open("wb") as file:
        async for chunk in answer.aiter_bytes(1 << 18):
            file.write(chunk)
        length = file.tell()
    promised = answer.headers.get("content-length")
    if promised is not None and int(promised) != length and "content-encoding" not in answer.headers:
        raise DownloadBroken(f"{length} of {promised} bytes came")
    return length
