"""Project files: short, and whatever is wrong with one is said with its path before anything is written."""

import asyncio
import re
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from commands.projectfile import BuiltProject, ProjectFileInvalid, build_project, put_files, read_project_file
from commands.session import Stores, stores_of
from studio.contracts.model import StyleType, VisualStyle
from studio.sentences import Offer
from studio.settings import Settings
from studio.store.models import ModelStore

ProjectFile = Callable[..., Path]


@pytest.fixture
async def stores(database_url: str, tmp_path: Path) -> AsyncIterator[Stores]:
    settings = Settings.model_validate(
        {"database_url": database_url, "object_store_url": (tmp_path / "objects").as_uri()}
    )
    async with stores_of(settings) as opened:
        yield opened


@pytest.fixture
def project_file(tmp_path: Path) -> ProjectFile:
    """Writes project files, a picture and a sound beside them."""
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "a.png")
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8_000, 0, "NONE", ""))
        sound.writeframes(bytes(8_000))

    def write(*sentences: dict[str, Any], **changes: Any) -> Path:
        document = {"project": "story", "channel": "poke1", "sentences": list(sentences)}
        path = tmp_path / "story.yaml"
        path.write_text(yaml.safe_dump(document | changes), encoding="utf-8")
        return path

    return write


async def built(stores: Stores, path: Path) -> BuiltProject:
    models = ModelStore(stores.database)
    offer = Offer(models=await models.models(), styles=await models.styles())
    file = await asyncio.to_thread(read_project_file, path)
    return await asyncio.to_thread(
        build_project, path, file, stores.scratch, offer, await models.characters(file.channel)
    )


async def complaints(stores: Stores, path: Path) -> list[str]:
    with pytest.raises(ProjectFileInvalid) as refused:
        await built(stores, path)
    return [re.sub(r"^line \d+, ", "", line) for line in str(refused.value).splitlines()]


async def test_files_beside_it_come_into_the_channels_folder(stores: Stores, project_file: ProjectFile) -> None:
    path = project_file(
        {"id": "s1", "text": "A door.", "still": "a.png", "audio": "a.wav", "camera": "zoom_in", "strength": 1},
        {"id": "s2", "text": "A lamp.", "image": {"characters": ["haunter"], "model": "flux2_klein_edit"}},
        image={"style": "cinematic", "width": 256, "height": 256},
        characters=[{"id": "haunter", "references": ["a.png"]}],
    )
    project = await built(stores, path)
    await put_files(project, stores.objects)
    first, second = project.draft.sentences
    assert first.image_file is not None and first.audio_file is not None
    assert first.image_file.key.startswith("channels/poke1/projects/story/brought/s1_")
    (haunter,) = project.draft.characters
    assert haunter.references[0].key.startswith("channels/poke1/characters/haunter_")
    for ref in (first.image_file, first.audio_file, haunter.references[0]):
        assert len(await stores.objects.read(ref)) == ref.size
    assert (second.image.model_id, project.draft.image.style) == ("flux2_klein_edit", "cinematic")
    assert project.draft.complete


async def test_everything_wrong_with_files_is_said_at_once(stores: Stores, project_file: ProjectFile) -> None:
    path = project_file(
        {"id": "s1", "text": "A door.", "still": "none.png", "audio": "a.png"},
        {"id": "s2", "text": "A lamp.", "still": "a.wav", "audio": "none.wav"},
        characters=[{"id": "haunter", "references": ["a.png", "b.png"]}],
    )
    assert await complaints(stores, path) == [
        "character 1, reference 2: b.png: no such file",
        "sentence 1, audio: a.png: its name has to end with one of wav, mp3, flac, ogg, m4a, aac, webm",
        "sentence 1, still: none.png: no such file",
        "sentence 2, audio: none.wav: no such file",
        "sentence 2, still: a.wav: this is a sound file, no picture",
    ]


async def test_choices_that_do_not_exist_or_go_together_are_said_where_they_were_made(
    stores: Stores, project_file: ProjectFile
) -> None:
    hero = VisualStyle(
        id="hero", name="Hero", type=StyleType.PROMPT, prompt_prefix="A hero.", requires_character_reference=True
    )
    await ModelStore(stores.database).put_style(hero)
    path = project_file(
        {"id": "s1", "text": "A door."},
        {"id": "s2", "text": "A lamp.", "image": {"style": "Hero"}},
        {"id": "s3", "text": "A cat.", "image": {"characters": ["cat"]}},
        {"id": "s4", "text": "A dog.", "video": {"style": "sepia"}},
        {"id": "s5", "text": "A fox."},
        image={"model": "nothing"},
    )
    offered = "for image there are flux2_klein_edit, z_image_turbo"
    assert await complaints(stores, path) == [
        f"image: model: nothing is no model; {offered}",
        "sentence 2, image: style Hero needs a character reference, and none is given"
        " - choose a character that has a picture",
        "sentence 3, image: characters: cat has no picture here or in channel poke1",
        "sentence 4, video: style: sepia is no style; there are Cinematic, Hero, Pixel art, Watercolour",
    ]


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ({"id": "s1", "text": "A.", "camra": "static"}, "sentence 1, camra: is unknown"),
        ({"id": "s1", "text": "A.", "image": {"sise": 1}}, "sentence 1, image, sise: is unknown"),
        ({"id": "s1", "text": " "}, "sentence 1, text: is empty"),
        ({"id": "s 1", "text": "A."}, "sentence 1, id: must have 1 to 100 letters"),
        ({"id": "s1", "text": "A.", "image": {"width": 100}}, "sentence 1, image, width: must be a multiple of"),
    ],
)
async def test_fields_that_are_wrong_are_named(
    stores: Stores, project_file: ProjectFile, sentence: dict[str, Any], reason: str
) -> None:
    (words,) = await complaints(stores, project_file(sentence))
    assert words.startswith(reason)


async def test_a_sentence_named_twice_is_refused(stores: Stores, project_file: ProjectFile) -> None:
    twice = {"id": "s1", "text": "A door."}
    assert await complaints(stores, project_file(twice, twice)) == ["request: sentences: s1 is there twice"]
