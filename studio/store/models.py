"""Generation models, visual styles and characters in PostgreSQL. Every write is an upsert that may be repeated."""

import asyncpg

from studio.contracts.base import MediaRef
from studio.contracts.model import Character, GenerationModel, VisualStyle
from studio.errors import InvalidRequest
from studio.store.pool import Database

_PUT_MODEL = """
insert into generation_models (id, name, category, type, graph, graph_file, default_steps, default_cfg, active)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (id) do update
   set name = excluded.name, category = excluded.category, type = excluded.type, graph = excluded.graph,
       graph_file = excluded.graph_file, default_steps = excluded.default_steps, default_cfg = excluded.default_cfg,
       active = excluded.active, updated_at = now()
"""
_MODELS = """
select id, name, category, type, graph, graph_file, default_steps, default_cfg, active
  from generation_models order by name, id
"""

_PUT_STYLE = """
insert into visual_styles (id, name, type, prompt_prefix, lora_file, lora_strength, compatible_models,
                           requires_character_reference, active)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (id) do update
   set name = excluded.name, type = excluded.type, prompt_prefix = excluded.prompt_prefix,
       lora_file = excluded.lora_file, lora_strength = excluded.lora_strength,
       compatible_models = excluded.compatible_models,
       requires_character_reference = excluded.requires_character_reference, active = excluded.active,
       updated_at = now()
"""
_STYLES = """
select id, name, type, prompt_prefix, lora_file, lora_strength, compatible_models, requires_character_reference, active
  from visual_styles
"""

_PUT_CHARACTER = """
insert into characters (channel, character_id, name) values ($1, $2, $3)
on conflict (channel, character_id) do update set name = excluded.name, updated_at = now()
"""
_FORGET_REFERENCES = "delete from character_references where channel = $1 and character_id = $2"
_PUT_REFERENCE = "insert into character_references (channel, character_id, place, media) values ($1, $2, $3, $4)"
_CHARACTERS = """
select c.channel, c.character_id, c.name,
       array_agg(r.media order by r.place) filter (where r.place is not null) as media
  from characters c left join character_references r using (channel, character_id)
 where c.channel = $1 and ($2::text[] is null or c.character_id = any($2))
 group by c.channel, c.character_id, c.name
 order by c.name, c.character_id
"""


class ModelStore:
    """Reads and writes what pictures and clips are made with. Models and styles are for all channels."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_model(self, model: GenerationModel) -> None:
        """Add a model, or change the one with this id."""
        file = model.graph_file.model_dump_json() if model.graph_file else None
        values = (model.id, model.name, model.category, model.type, model.graph, file)
        async with self._database.transaction() as connection:
            await connection.execute(_PUT_MODEL, *values, model.default_steps, model.default_cfg, model.active)

    async def models(self) -> list[GenerationModel]:
        """All models by name, also those that are not offered."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_MODELS)
        return [_model(row) for row in rows]

    async def put_style(self, style: VisualStyle) -> None:
        """Add a style, or change the one with this id.

        Raises:
            InvalidRequest: another style has this name.
        """
        values = (style.id, style.name, style.type, style.prompt_prefix, style.lora_file, style.lora_strength)
        rest = (list(style.compatible_models), style.requires_character_reference, style.active)
        try:
            async with self._database.transaction() as connection:
                await connection.execute(_PUT_STYLE, *values, *rest)
        except asyncpg.UniqueViolationError:
            raise InvalidRequest(f"name: another style is called {style.name}") from None

    async def styles(self) -> list[VisualStyle]:
        """All styles by name, also those that are not offered."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(f"{_STYLES} order by lower(name)")
        return [VisualStyle.model_validate(dict(row)) for row in rows]

    async def put_character(self, character: Character) -> None:
        """Add a character, or change the one with this id; these reference pictures take the place of all others."""
        whose = (character.channel, character.character_id)
        pictures = [(*whose, n, picture.model_dump_json()) for n, picture in enumerate(character.references, start=1)]
        async with self._database.transaction() as connection:
            await connection.execute(_PUT_CHARACTER, *whose, character.name)
            await connection.execute(_FORGET_REFERENCES, *whose)
            await connection.executemany(_PUT_REFERENCE, pictures)

    async def characters(self, channel: str) -> list[Character]:
        """All characters of a channel by name."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_CHARACTERS, channel, None)
        return [_character(row) for row in rows]

    async def references(self, channel: str, characters: tuple[str, ...]) -> tuple[MediaRef, ...]:
        """The reference pictures of these characters, in the order in which they are named.

        Raises:
            InvalidRequest: the channel has no such character, or one of them has no picture.
        """
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_CHARACTERS, channel, list(characters))
        found = {character.character_id: character for character in map(_character, rows)}
        if missing := [one for one in characters if one not in found]:
            raise InvalidRequest(f"characters: channel {channel} has no {', '.join(missing)}")
        if bare := [found[one].name for one in characters if not found[one].references]:
            raise InvalidRequest(f"characters: {', '.join(bare)} has no reference picture yet - add one")
        return tuple(picture for one in dict.fromkeys(characters) for picture in found[one].references)


def _model(row: asyncpg.Record) -> GenerationModel:
    file = row["graph_file"]
    return GenerationModel.model_validate(
        dict(row) | {"graph_file": MediaRef.model_validate_json(file) if file else None}
    )


def _character(row: asyncpg.Record) -> Character:
    pictures = tuple(MediaRef.model_validate_json(words) for words in row["media"] or ())
    return Character(channel=row["channel"], character_id=row["character_id"], name=row["name"], references=pictures)
