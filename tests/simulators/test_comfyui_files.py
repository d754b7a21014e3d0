"""Files of a ComfyUI server: uploads by name, pictures and videos that are what was ordered."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from simulators.comfyui import ComfySimulator
from studio.errors import BadClip
from studio.media.probe import probe
from studio.media.verify import Ordered, verify_clip
from tests.simulators.callers import png, until
from tests.simulators.comfy import ComfyCaller, changed, node, sampled, trivial, two_pass


async def fetched(artist: ComfyCaller, outputs: dict[str, Any], node_id: str, folder: Path) -> Path:
    file = outputs[node_id]["images"][0]
    return written(folder / file["filename"], (await artist.view(file)).content)


def written(target: Path, data: bytes) -> Path:
    target.write_bytes(data)
    return target


# ── uploads ──────────────────────────────────────────────────────────────


async def test_the_same_upload_keeps_its_name_and_another_gets_a_new_one(artist: ComfyCaller) -> None:
    first, other = png(), png(colour=(1, 2, 3))
    told = [(await artist.upload(data, subfolder="takes")).json() for data in (first, first, other, png(8, 8))]
    assert [answer["name"] for answer in told] == ["still.png", "still.png", "still (1).png", "still (2).png"]
    assert told[0] == {"name": "still.png", "subfolder": "takes", "type": "input"}
    file = {"filename": "still.png", "subfolder": "takes", "type": "input"}
    assert (await artist.view(file)).content == first
    assert (await artist.upload(other, subfolder="takes", overwrite="yes")).json()["name"] == "still (1).png"
    assert (await artist.upload(other, subfolder="takes", overwrite="true")).json()["name"] == "still.png"
    assert (await artist.view(file)).content == other


@pytest.mark.parametrize(
    ("form", "status"), [({"subfolder": "../up"}, 400), ({"type": "bogus"}, 500), ({"type": "temp"}, 200)]
)
async def test_an_upload_has_to_stay_inside(artist: ComfyCaller, form: dict[str, str], status: int) -> None:
    assert (await artist.upload(png(), **form)).status_code == status


async def test_an_upload_may_be_too_large_or_no_form(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    assert (await artist.http.post("/upload/image", data={"image": "x"})).status_code == 400
    comfy.configure(upload_limit=100)
    assert (await artist.upload(png())).status_code == 413


async def test_a_graph_may_name_an_upload_in_a_subfolder_and_an_output(artist: ComfyCaller) -> None:
    await artist.upload(png(80, 48), "a.png", subfolder="takes")
    graph = {"1": node("LoadImage", image="takes/a.png"), "9": trivial()["9"]}
    outputs = await artist.made(changed(graph, "9", images=["1", 0]))
    again = changed(graph, "1", image="jobs/picture_00001_.png [output]")
    outputs = await artist.made(changed(again, "9", images=["1", 0], filename_prefix="second"))
    picture = (await artist.view(outputs["9"]["images"][0])).content
    assert Image.open(BytesIO(picture)).size == (80, 48)


async def test_an_overwritten_input_is_not_taken_from_the_cache(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    await artist.upload(png(), "a.png")
    graph = changed({"1": node("LoadImage", image="a.png"), "9": trivial()["9"]}, "9", images=["1", 0])
    await artist.made(graph)
    await artist.upload(png(colour=(9, 9, 9)), "a.png", overwrite="1")
    await artist.made(graph)
    assert [entry.executed for entry in comfy.ledger.prompts] == [2, 2]


# ── what comes out ───────────────────────────────────────────────────────


async def test_names_are_counted_per_prefix_whatever_the_kind_of_file(artist: ComfyCaller) -> None:
    first = await artist.made(trivial(1, "jobs/a/take"))
    second = await artist.made(two_pass(2, "jobs/a/take"))
    third = await artist.made(trivial(3, "jobs/a/takes"))
    files = [first["9"]["images"][0], second["108"]["images"][0], third["9"]["images"][0]]
    assert [file["filename"] for file in files] == ["take_00001_.png", "take_00002_.mp4", "takes_00001_.png"]
    assert {file["subfolder"] for file in files} == {"jobs/a"}


async def test_a_picture_is_a_png_of_the_ordered_size_with_its_prompt(artist: ComfyCaller) -> None:
    graph = changed(sampled(), "13", width=96, height=48)
    extra = {"extra_pnginfo": {"job": {"job_id": "j1", "attempt": 2}}}
    outputs = await artist.made(graph, extra_data=extra)
    image: Any = Image.open(BytesIO((await artist.view(outputs["9"]["images"][0])).content))
    image.load()
    assert (image.size, image.format) == ((96, 48), "PNG")
    assert json.loads(image.text["prompt"]) == graph
    assert json.loads(image.text["job"]) == {"job_id": "j1", "attempt": 2}


async def test_a_batch_is_as_many_files(artist: ComfyCaller) -> None:
    outputs = await artist.made(changed(sampled(), "13", batch_size=3))
    names = [file["filename"] for file in outputs["9"]["images"]]
    assert names == [f"still_0000{number}_.png" for number in (1, 2, 3)]
    assert len({(await artist.view(file)).content for file in outputs["9"]["images"]}) == 3


async def test_a_clip_is_a_moving_video_of_the_ordered_size_length_and_rate(
    artist: ComfyCaller, tmp_path: Path
) -> None:
    graph = changed(two_pass(), "98", width=128, height=96, length=35)  # 35 is rounded down to 33
    outputs = await artist.made(graph, extra_data={"extra_pnginfo": {"job": {"attempt": 1}}})
    clip = await fetched(artist, outputs, "108", tmp_path)
    info = verify_clip(clip, Ordered(seconds=33 / 16, width=128, height=96, moving=True))
    assert (info.width, info.height, info.frames, float(info.fps)) == (128, 96, 33, 16.0)
    with av.open(str(clip)) as container:
        assert json.loads(container.metadata["prompt"]) == graph
        assert json.loads(container.metadata["job"]) == {"attempt": 1}
        assert sum(1 for _ in container.decode(video=0)) == 33


async def test_metadata_can_be_switched_off(start_comfy: Any) -> None:
    async with ComfyCaller(await start_comfy(metadata=False)) as artist:
        outputs = await artist.made(trivial())
        image: Any = Image.open(BytesIO((await artist.view(outputs["9"]["images"][0])).content))
        assert image.text == {}


async def test_a_rendered_clip_begins_with_the_uploaded_still(start_comfy: Any, tmp_path: Path) -> None:
    async with ComfyCaller(await start_comfy(files="rendered")) as artist:
        await artist.upload(png(256, 144, (200, 30, 30)), "red.png")
        graph = changed(changed(two_pass(length=5), "97", image="red.png"), "93", text="static camera")
        clip = await fetched(artist, await artist.made(graph), "108", tmp_path)
        with av.open(str(clip)) as container:
            red, green, _ = next(container.decode(video=0)).to_ndarray(format="rgb24")[32, 32]
        assert red > 150 > green
        assert probe(clip).frames == 5


async def test_rendered_pictures_differ_by_seed_and_words(start_comfy: Any) -> None:
    async with ComfyCaller(await start_comfy(files="rendered", metadata=False)) as artist:
        graphs = [sampled(1), sampled(2), changed(sampled(1), "27", text="a forest at night")]
        files = [(await artist.made(graph))["9"]["images"][0] for graph in graphs]
        assert len({(await artist.view(file)).content for file in files}) == 3


# ── /view ────────────────────────────────────────────────────────────────


async def test_a_file_is_served_whole_in_part_or_by_its_head(artist: ComfyCaller) -> None:
    file = (await artist.made(trivial()))["9"]["images"][0]
    whole = await artist.view(file)
    assert whole.headers["Content-Type"] == "image/png"
    assert whole.headers["ETag"] and whole.headers["Last-Modified"]
    assert (await artist.view({**file, "filename": f"jobs/{file['filename']}", "subfolder": ""})).status_code == 404
    head = await artist.http.head("/api/view", params=file)
    assert (head.status_code, int(head.headers["Content-Length"])) == (200, len(whole.content))
    part = await artist.view(file, Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    small = await artist.http.get("/view", params={**file, "preview": "webp;50"})
    assert Image.open(BytesIO(small.content)).format == "WEBP"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"filename": "nope.png"}, 404),
        ({"filename": "../../etc/passwd"}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "passwd", "subfolder": "../../../../etc"}, 403),
        ({"filename": "x.png", "type": "bogus"}, 400),
        ({}, 404),
    ],
)
async def test_nothing_is_served_from_outside(artist: ComfyCaller, query: dict[str, str], status: int) -> None:
    assert (await artist.http.get("/view", params=query)).status_code == status


async def test_a_file_that_is_still_being_written_is_served(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.order(seconds=0.4, encode_seconds=300)
    prompt_id = await artist.submit(two_pass())
    path = comfy.folder / "output" / "jobs" / "clip_00001_.mp4"
    await until(path.exists)
    file = {"filename": path.name, "subfolder": "jobs", "type": "output"}
    half = await artist.view(file)
    comfy.advance(300)
    await artist.ended(prompt_id)
    whole = await artist.view(file)
    assert half.status_code == whole.status_code == 200
    assert half.content == whole.content[: len(whole.content) // 2]
    with pytest.raises(av.InvalidDataError):
        av.open(BytesIO(half.content))


@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "black", "frozen", "wrong_length", "wrong_size"])
async def test_a_file_is_spoiled_on_order(
    comfy: ComfySimulator, artist: ComfyCaller, tmp_path: Path, kind: str
) -> None:
    comfy.order(file=kind)
    file = (await artist.made(two_pass()))["108"]["images"][0]
    response = await artist.view(file)
    if kind == "missing":
        assert response.status_code == 404
        return
    clip = written(tmp_path / "clip.mp4", response.content)
    match kind:
        case "empty" | "truncated":
            with pytest.raises(av.InvalidDataError):
                av.open(str(clip))
        case "wrong_length":
            assert probe(clip).frames == 8
        case "wrong_size":
            assert probe(clip).width == 32
        case _:
            with pytest.raises(BadClip):
                verify_clip(clip, Ordered(seconds=17 / 16, width=64, height=64, moving=True))


async def test_outputs_may_be_kept_back_or_only_be_temporary(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.order(outputs="none", count=1)
    assert await artist.made(sampled(1)) == {}
    comfy.order(outputs="temp", count=1)
    file = (await artist.made(sampled(2)))["9"]["images"][0]
    assert file["type"] == "temp"
    assert (await artist.view(file)).status_code == 200


async def test_a_preview_node_writes_to_temp(artist: ComfyCaller) -> None:
    outputs = await artist.made({**trivial(), "10": node("PreviewImage", images=["2", 0])})
    assert (outputs["9"]["images"][0]["type"], outputs["10"]["images"][0]["type"]) == ("output", "temp")


async def test_a_prefix_may_not_lead_outside(artist: ComfyCaller) -> None:
    past = await artist.ended(await artist.submit(trivial(prefix="../../elsewhere")))
    assert past["status"]["status_str"] == "error"
