"""Finished renders on a real PostgreSQL."""

from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.render import GraphParameters, Lora, LoraPair
from studio.contracts.take import RenderedFile, RenderParts
from studio.store.pool import Database
from studio.store.renders import RenderStore
from studio.takes import digest_of_render

STILL = MediaRef(key="channels/poke1/projects/story/images/s1.png", sha256="1" * 64, mime="image/png")
PARTS = RenderParts(
    graph="wan22_i2v",
    graph_sha256="2" * 64,
    parameters=GraphParameters(
        prompt="Haunter floats.",
        seed=7,
        frames=81,
        fps=16,
        camera=CameraMove.ORBIT,
        images=(STILL,),
        loras=(Lora(name="ink.safetensors"), LoraPair(high="h.safetensors", strength=0.5)),
    ),
    frames=80,
)
TAKE = digest_of_render(PARTS)


def made(digit: str) -> RenderedFile:
    media = MediaRef(key=f"channels/poke1/takes/{TAKE}.mp4", sha256=digit * 64, mime="video/mp4")
    return RenderedFile(media=media, width=832, height=480, frames=80, seconds=5.0)


async def test_a_render_comes_back_with_what_it_was_made_from(database: Database) -> None:
    renders = RenderStore(database)
    for _ in range(2):
        await renders.keep("poke1", TAKE, PARTS, made("3"), seconds=61.5)
    found = (await renders.finished("poke1", [TAKE, "0" * 64]))[TAKE]
    assert (found.take, found.parts, found.file, found.seconds) == (TAKE, PARTS, made("3"), 61.5)
    assert digest_of_render(found.parts) == TAKE


async def test_another_file_of_a_take_takes_the_place_of_one_that_was_lost(database: Database) -> None:
    renders = RenderStore(database)
    await renders.keep("poke1", TAKE, PARTS, made("3"))
    await renders.keep("poke1", TAKE, PARTS, made("4"))
    assert (await renders.finished("poke1", [TAKE]))[TAKE].file == made("4")


async def test_a_file_that_is_gone_is_forgotten_and_no_other_one(database: Database) -> None:
    renders = RenderStore(database)
    await renders.keep("poke1", TAKE, PARTS, made("3"))
    await renders.forget("poke1", TAKE, made("4"))
    assert TAKE in await renders.finished("poke1", [TAKE])
    await renders.forget("poke1", TAKE, made("3"))
    assert await renders.finished("poke1", [TAKE]) == {}


async def test_a_channel_does_not_see_the_renders_of_another(database: Database) -> None:
    renders = RenderStore(database)
    await renders.keep("poke1", TAKE, PARTS, made("3"))
    assert await renders.finished("poke2", [TAKE]) == {}
