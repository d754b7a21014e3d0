"""The account: one balance, several keys, each with a cap of its own."""

from bisect import bisect_right

from simulators.kie.config import KieConfig


class Account:
    """Credits are taken when a task is accepted and given back when it fails."""

    def __init__(self, config: KieConfig, now: float) -> None:
        self._config = config
        self.forget(now)

    def forget(self, now: float) -> None:
        self.balance = 0.0
        self._times: list[float] = []
        self._levels: list[float] = []
        self._spent: dict[int, float] = {}
        self.set(self._config.credits, now)

    def set(self, credits: float, now: float) -> None:
        self._move(credits - self.balance, now)

    def refusal(self, key: int, credits: float) -> int | None:
        """The body code with which an order of this price is refused, if it is."""
        cap = self._config.key_caps.get(self._config.api_keys[key])
        if cap is not None and self._spent.get(key, 0.0) + credits > cap:
            return 433
        return 402 if credits > self.balance else None

    def charge(self, key: int, credits: float, now: float) -> None:
        self._spent[key] = self._spent.get(key, 0.0) + credits
        self._move(-credits, now)

    def refund(self, key: int, credits: float, now: float) -> None:
        self._spent[key] = self._spent.get(key, 0.0) - credits
        self._move(credits, now)

    def told(self, now: float) -> float:
        """The balance the credit endpoint tells: the one of `credit_lag` seconds ago."""
        place = bisect_right(self._times, now - self._config.credit_lag)
        return self._levels[max(0, place - 1)]

    def _move(self, credits: float, now: float) -> None:
        self.balance = round(self.balance + credits, 6)
        self._times.append(now)
        self._levels.append(self.balance)
