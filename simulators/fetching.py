"""Fetching what a client says lies at a URL."""

import aiohttp


class Unfetchable(Exception):
    """The service cannot use what is at this URL."""


async def download(session: aiohttp.ClientSession, url: str, *, limit: int, seconds: float) -> bytes:
    """The bytes at a URL; redirects are not followed, as reported of KIE."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with session.get(url, allow_redirects=False, timeout=timeout) as response:
            if response.status != 200:
                raise Unfetchable(f"the file answers {response.status}")
            data = bytearray()
            async for piece in response.content.iter_chunked(1 << 16):
                data += piece
                if len(data) > limit:
                    raise Unfetchable(f"the file exceeds {limit} bytes")
            return bytes(data)
    except TimeoutError as error:
        raise Unfetchable("the file did not come in time") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unfetchable("the file cannot be reached") from error
