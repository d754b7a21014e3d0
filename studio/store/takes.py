"""Takes: those that videos want, those that are there, and which clip has had which."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import asyncpg

from studio.contracts.clip import ClipFile, ClipId
from studio.contracts.take import Take, TakeOfClip, TakeParts
from studio.errors import InvalidRequest
from studio.store.pool import Connection, Database

_WANT = """
insert into takes (channel, take, parts, video_id, number) values ($1, $2, $3, $4, $5)
on conflict (channel, take) do nothing
"""

_USE = """
insert into clip_takes (channel, video_id, number, take) values ($1, $2, $3, $4)
on conflict (channel, video_id, number, take) do update set used_at = now()
"""

# The first one stays: whoever brings a second file for the same take brings the same clip again.
_FINISH = """
update takes
   set file = $3, cost_usd = $4, submission_id = $5, task_id = $6, made_at = now()
 where channel = $1 and take = $2 and file is null
"""

_FORGET = """
update takes set file = null, made_at = null
 where channel = $1 and take = $2 and file->'media'->>'sha256' = $3
"""

_FINISHED = """
select take, parts, file, cost_usd, task_id, made_at from takes
 where channel = $1 and take = any($2) and file is not null
"""

_CALLED = """
select take, file is not null as there from takes where channel = $1 and starts_with(take, $2) order by take limit 20
"""

_OF_CLIP = """
select t.take, t.parts, t.file, t.cost_usd, t.made_at, c.take is not distinct from t.take as chosen,
       o.state, o.verdict, o.reason
  from clip_takes u
  join takes t on t.channel = u.channel and t.take = u.take
  left join clips c on c.channel = u.channel and c.video_id = u.video_id and c.number = u.number
  left join lateral (select state, verdict, reason from submissions s
                      where s.channel = u.channel and s.take = u.take order by attempt desc limit 1) o on true
 where u.channel = $1 and u.video_id = $2 and u.number = $3
 order by coalesce(t.made_at, t.created_at), t.take
"""

# A video uses the takes it was last asked for, and those that its clips have; both outlast its run.
_USERS = """
select video_id from videos where channel = $1 and $2 = any(takes)
union
select video_id from clips where channel = $1 and take = $2
order by video_id
"""

NEED_NOT_BE_FETCHED = "update submissions set is_here = true where channel = $1 and take = any($2)"
"""Order recovery looks for the files of delivered orders; these were deleted on purpose."""

_ORDERS = (
    "select count(*) from submissions where channel = $1 and take = $2 and state in ('sent', 'accepted', 'unknown')"
)


class TakeStore:
    """Reads and writes takes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def want(self, channel: str, video_id: str, takes: Sequence[tuple[str, TakeParts | None]]) -> None:
        """Write down which take each clip of a video is to have, in the video's order.

        Raises:
            InvalidRequest: a take that was chosen (it comes without parts) is none that this channel has.
        """
        numbered = list(enumerate(takes, start=1))
        wanted = [(channel, take, parts.model_dump_json(), video_id, n) for n, (take, parts) in numbered if parts]
        chosen = {n: take for n, (take, parts) in numbered if parts is None}
        async with self._database.transaction() as connection:
            await _ensure_there(connection, channel, chosen)
            await connection.executemany(_WANT, wanted)
            await connection.executemany(_USE, [(channel, video_id, n, take) for n, (take, _) in numbered])

    async def want_another(self, clip: ClipId, take: str, parts: TakeParts) -> None:
        """Write down a further take of one clip."""
        async with self._database.transaction() as connection:
            await connection.execute(_WANT, clip.channel, take, parts.model_dump_json(), clip.video_id, clip.number)
            await connection.execute(_USE, clip.channel, clip.video_id, clip.number, take)

    async def finish(
        self,
        channel: str,
        take: str,
        file: ClipFile,
        *,
        cost_usd: Decimal,
        submission_id: str | None = None,
        task_id: str | None = None,
    ) -> None:
        """The take is there."""
        async with self._database.transaction() as connection:
            words = file.model_dump_json()
            await connection.execute(_FINISH, channel, take, words, cost_usd, submission_id, task_id)

    async def forget(self, channel: str, take: str, file: ClipFile) -> None:
        """The file of this take is lost or damaged: the take is not there, until it is finished again."""
        async with self._database.transaction() as connection:
            await connection.execute(_FORGET, channel, take, file.media.sha256)

    async def finished(self, channel: str, takes: Iterable[str]) -> dict[str, Take]:
        """Those of these takes that are there."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_FINISHED, channel, list(takes))
        return {row["take"]: Take(**_read(row)) for row in rows}

    async def parts(self, channel: str, take: str) -> TakeParts | None:
        """What a take is made from, whether it is there or only wanted."""
        async with self._database.transaction() as connection:
            found = await connection.fetchval("select parts from takes where channel = $1 and take = $2", channel, take)
        return None if found is None else TakeParts.model_validate_json(found)

    async def called(self, channel: str, beginning: str) -> list[tuple[str, bool]]:
        """The takes of a channel that begin with this, and whether each is there."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_CALLED, channel, beginning)
        return [(row["take"], row["there"]) for row in rows]

    async def users(self, channel: str, take: str) -> list[str]:
        """The videos of the channel that use a take now, whether or not they have ended."""
        async with self._database.transaction() as connection:
            return [row["video_id"] for row in await connection.fetch(_USERS, channel, take)]

    async def ordered(self, channel: str, take: str) -> int:
        """How many orders of a take are with the provider, or may be."""
        async with self._database.transaction() as connection:
            return int(await connection.fetchval(_ORDERS, channel, take))

    async def delete(self, channel: str, take: str) -> None:
        """Delete a take's rows. The ledger of its orders stays: they were paid."""
        async with self._database.transaction() as connection:
            await connection.execute(NEED_NOT_BE_FETCHED, channel, [take])
            await connection.execute("delete from clip_takes where channel = $1 and take = $2", channel, take)
            await connection.execute("delete from takes where channel = $1 and take = $2", channel, take)

    async def of_clip(self, clip: ClipId) -> list[TakeOfClip]:
        """Every take a clip has had or wanted, the oldest first."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_OF_CLIP, clip.channel, clip.video_id, clip.number)
        return [TakeOfClip.model_validate(_read(row) | {"verdict": _verdict(row)}) for row in rows]


def _read(row: asyncpg.Record) -> dict[str, object]:
    values: dict[str, object] = dict(row)
    file = row["file"]
    return values | {
        "parts": TakeParts.model_validate_json(row["parts"]),
        "file": None if file is None else ClipFile.model_validate_json(file),
    }


def _verdict(row: asyncpg.Record) -> str:
    """Of the file, when there is one; else of the newest order."""
    if row["file"] is not None:
        return "chosen" if row["chosen"] else "good"
    state = row["verdict"] or row["state"]
    return " ".join(str(word) for word in (state, row["reason"]) if word) or "not made"


async def _ensure_there(connection: Connection, channel: str, chosen: Mapping[int, str]) -> None:
    there = {row["take"] for row in await connection.fetch(_FINISHED, channel, list(chosen.values()))}
    missing = [
        f"clips.{n - 1}.take: this channel has no take {take}" for n, take in chosen.items() if take not in there
    ]
    if missing:
        raise InvalidRequest("\n".join(missing))
