"""What films cost, from what providers billed."""

from studio.contracts.money import Cost
from studio.store.pool import Database

KLING_CLIPS = "kling_video_clips"

# The bill is the sum over the orders, so booking it again, or later, can never double it.
_BOOK = """
insert into video_costs (channel, video_id, component, cost_usd, api_calls, units_consumed, metadata)
select $1, $2, $3,
       coalesce(sum(billed_usd), 0),
       coalesce(sum(tries), 0),
       count(*) filter (where verdict = 'delivered'),
       jsonb_build_object(
           'failed', count(*) filter (where verdict in ('failed', 'bad')),
           'written_off', count(*) filter (where verdict = 'written_off'),
           'open', count(*) filter (where state in ('sent', 'accepted', 'unknown')),
           'credits', coalesce(sum(billed_credits), 0))
  from submissions
 where channel = $1 and video_id = $2 and provider = $4
having count(*) filter (where state <> 'intended') > 0
on conflict (channel, video_id, component) do update
   set cost_usd = excluded.cost_usd, api_calls = excluded.api_calls, units_consumed = excluded.units_consumed,
       metadata = excluded.metadata, updated_at = now()
"""

_TOTAL = """
update films
   set total_cost_usd = (select coalesce(sum(cost_usd), 0) from video_costs
                          where channel = $1 and video_id = $2)
 where channel = $1 and video_id = $2
"""


class CostStore:
    """Books and lists costs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def book(self, channel: str, video_id: str) -> list[Cost]:
        """Write a film's bill anew from its orders, and return it."""
        async with self._database.transaction() as connection:
            await connection.execute(_BOOK, channel, video_id, KLING_CLIPS, "kling")
            await connection.execute(_TOTAL, channel, video_id)
            rows = await connection.fetch(
                """select component, cost_usd, api_calls, units_consumed as units from video_costs
                    where channel = $1 and video_id = $2 order by component""",
                channel,
                video_id,
            )
        return [Cost(**dict(row)) for row in rows]
