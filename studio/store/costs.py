"""What videos cost: the view `video_spending` defines it, once for results, statuses, lists and the books."""

from studio.contracts.money import Cost
from studio.contracts.video import VideoCost
from studio.store.pool import Connection, Database

KLING_CLIPS = "kling_video_clips"

# The bill is the sum over the orders, so booking it again, or later, can never double it.
_BOOK = """
insert into video_costs (channel, video_id, component, cost_usd, api_calls, units_consumed, metadata)
select channel, video_id, $3, cost_usd, tries, delivered,
       jsonb_build_object('failed', failed, 'written_off', written_off, 'open', open, 'credits', credits)
  from video_spending
 where channel = $1 and video_id = $2 and provider = $4
on conflict (channel, video_id, component) do update
   set cost_usd = excluded.cost_usd, api_calls = excluded.api_calls, units_consumed = excluded.units_consumed,
       metadata = excluded.metadata, updated_at = now()
"""

_COST = """
select coalesce(sum(cost_usd), 0) as cost_usd, coalesce(sum(open_usd), 0) as open_usd,
       coalesce(sum(over_estimate_usd), 0) as over_estimate_usd
  from video_spending where channel = $1 and video_id = $2
"""

# For those who read the table: the same figure, as of the last change of the video or its clips.
_TOTAL = """
update videos
   set total_cost_usd = (select coalesce(sum(cost_usd), 0) from video_spending
                          where channel = $1 and video_id = $2)
 where channel = $1 and video_id = $2
"""


async def write_total(connection: Connection, channel: str, video_id: str) -> None:
    """Bring a video's row to what its orders say it has cost."""
    await connection.execute(_TOTAL, channel, video_id)


class CostStore:
    """Books and lists costs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def book(self, channel: str, video_id: str) -> list[Cost]:
        """Write a video's bill anew from its orders, and return it."""
        async with self._database.transaction() as connection:
            await connection.execute(_BOOK, channel, video_id, KLING_CLIPS, "kling")
            await write_total(connection, channel, video_id)
            rows = await connection.fetch(
                """select component, cost_usd, api_calls, units_consumed as units from video_costs
                    where channel = $1 and video_id = $2 order by component""",
                channel,
                video_id,
            )
        return [Cost(**dict(row)) for row in rows]

    async def cost(self, channel: str, video_id: str) -> VideoCost:
        """What a video has cost so far, and what is still with the provider."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_COST, channel, video_id)
        return VideoCost.model_validate(dict(row or {}))
