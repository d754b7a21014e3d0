"""Who gets in: Cloudflare's mood, maintenance, keys."""

from simulators.desk import Call
from simulators.kie.core import Core
from simulators.kie.envelope import Envelope
from simulators.wire import Answer, text_answer


class Doors:
    """Asked first by every route that wants a key."""

    def __init__(self, core: Core, envelope: Envelope) -> None:
        self._core = core
        self._envelope = envelope

    def refusal(self, call: Call) -> Answer | None:
        agent = call.headers.get("User-Agent", "")
        if self._core.config.check_user_agent and (not agent or agent.startswith("Python-urllib")):
            return text_answer("error code: 1010", 403, code=403)
        if self._closed():
            return self._envelope.refuse(455)
        return None if self.key(call) is not None else self._envelope.refuse(401)

    def key(self, call: Call) -> int | None:
        """Which of the account's keys this is."""
        scheme, _, key = call.headers.get("Authorization", "").partition(" ")
        keys = self._core.config.api_keys
        return keys.index(key) if scheme == "Bearer" and key in keys else None

    def _closed(self) -> bool:
        config = self._core.config
        elapsed = self._core.clock.elapsed
        return config.maintenance or any(start <= elapsed < end for start, end in config.maintenance_windows)
