"""PostgreSQL that refuses: every SQLSTATE of an ailing server, once at each of several writes.

A trigger raises the error, as a server with a full disk does, in the middle of our transaction. What was counted
stays counted although the transaction is rolled back: sequences are not transactional.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.ground import Ground

CODES: Mapping[str, str] = {
    "53100": "could not extend file: No space left on device",
    "40P01": "deadlock detected",
    "57014": "canceling statement due to user request",
    "58030": "could not read block: Input/output error",
    "53200": "out of memory",
    "42501": "permission denied for table",
    "55P03": "could not obtain lock on row",
}
"""SQLSTATE → the server's words. https://www.postgresql.org/docs/current/errcodes-appendix.html"""


@dataclass(frozen=True)
class Write:
    """A write that is refused now and then: a trigger's event, and which rows it is for."""

    table: str
    event: str
    rows: str = "true"


WRITES: Mapping[str, Write] = {
    "order_intended": Write("submissions", "insert"),
    "order_sent": Write("submissions", "update", "new.state = 'sent'"),
    "order_accepted": Write("submissions", "update", "new.state = 'accepted'"),
    "order_settled": Write("submissions", "update", "new.state = 'settled'"),
    "video_status": Write("videos", "insert or update"),
    "clip_status": Write("clips", "insert or update"),
    "take_stored": Write("takes", "insert or update"),
}

_SET_UP = """
create table weather_refusals (write text, turn bigint, code text, words text, primary key (write, turn));
create function weather_refuse() returns trigger language plpgsql as $$
declare
    this_turn bigint := nextval('weather_turn_' || tg_argv[0]);
    refusal weather_refusals;
begin
    select * into refusal from weather_refusals r where r.write = tg_argv[0] and r.turn = this_turn;
    if found then
        perform nextval('weather_hit_' || lower(refusal.code));
        raise exception '%', refusal.words using errcode = refusal.code;
    end if;
    return new;
end $$;
"""


class Refusals:
    """The refusals of one run."""

    def __init__(self, here: Ground, chance: random.Random) -> None:
        self._here = here
        self._chance = chance

    async def install(self, *, rows: int, refuse: bool = True) -> None:
        """Have every code come up once at every kind of write, within the first `rows` rows of each.

        Args:
            refuse: without it everything is there and nothing is refused.
        """
        async with self._here.database.transaction() as connection:
            await connection.execute(_SET_UP)
            for code in CODES:
                await connection.execute(f"create sequence weather_hit_{code.lower()}")
            for name, write in WRITES.items():
                await connection.execute(f"create sequence weather_turn_{name}")
                turns = self._chance.sample(range(1, max(rows, len(CODES)) + 1), len(CODES))
                for (code, words), turn in zip(CODES.items(), turns if refuse else (), strict=refuse):
                    await connection.execute(
                        "insert into weather_refusals values ($1, $2, $3, $4)", name, turn, code, words
                    )
                await connection.execute(
                    f"""create trigger weather_{name} before {write.event} on {write.table}
                        for each row when ({write.rows}) execute function weather_refuse('{name}')"""
                )

    async def counted(self) -> dict[str, int]:
        """SQLSTATE → how often it was raised."""
        found = {}
        for code in CODES:
            (row,) = await self._here.rows(
                f"select case when is_called then last_value else 0 end as hits from weather_hit_{code.lower()}"
            )
            found[code] = int(row["hits"])
        return found
