"""What the commands about ComfyUI show to people."""

from collections.abc import Sequence

from rich.table import Table

from commands.session import out
from studio.contracts.model import GenerationModel, ModelCategory, VisualStyle
from studio.graphs import Reach, Standing
from studio.providers.comfyui_answers import ComfyStats

GIGABYTE = 1024**3


def show_server(address: str, stats: ComfyStats, graphs: Sequence[Standing], note: str) -> None:
    """A server and the graphs that would run there, then what the others lack."""
    out.print(f"ComfyUI {stats.version or 'of an unknown version'} at {address}", highlight=False, soft_wrap=True)
    for device in stats.devices:
        memory = f"{device.vram_free / GIGABYTE:.1f} of {device.vram_total / GIGABYTE:.1f} GB free"
        out.print(f"  {device.name} ({device.type}): {memory}", highlight=False, markup=False, soft_wrap=True)
    table = Table("graph", "makes", "runs here", "fast", box=None)
    for graph in graphs:
        fast = "" if graph.fast is None else _yes(graph.fast)
        table.add_row(graph.name, graph.type, _yes(graph.runs), fast)
    out.print(table)
    for graph in graphs:
        _lacks(graph)
    if note:
        out.print(note, highlight=False, markup=False, soft_wrap=True)


def show_choice(models: Sequence[GenerationModel], styles: Sequence[VisualStyle], further: Sequence[str]) -> None:
    """Models and styles, and the graphs a video may name besides."""
    table = Table("model", "name", "makes", "graph", "", title="Models", title_justify="left", box=None)
    for model in models:
        origin = "added" if model.graph_file else "shipped"
        table.add_row(model.id, model.name, model.type, f"{model.graph} ({origin})", _offered(model.active))
    out.print(table)
    table = Table("style", "name", "type", "works with", "", title="Styles", title_justify="left", box=None)
    for style in styles:
        works = ", ".join(style.compatible_models) or "any model"
        table.add_row(style.id, style.name, style.type, works, _offered(style.active))
    out.print(table)
    if further:
        out.print(f"A video may also name the graphs {', '.join(further)}", highlight=False, soft_wrap=True)


def about_added(model: GenerationModel, reach: Reach, remarks: Sequence[str], checked: str) -> str:
    """What was added, what of it can be set, and how it is named."""
    lines = [f"{model.id}: {model.type}, {checked}", f"  sets {', '.join(reach.sets) or 'nothing'}"]
    if reach.keeps:
        lines.append(f"  always as the file has it: {', '.join(reach.keeps)}")
    lines += [f"WARNING: {words}" for words in reach.warnings]
    if model.category is ModelCategory.VIDEO:
        lines.append(f"A video names it with `model: {model.id}`, a project or a sentence as its model for video")
    else:
        lines.append(f"A project or a sentence names it as its model for images, model_id {model.id}")
    return "\n".join([*lines, *remarks])


def _lacks(graph: Standing) -> None:
    """Everything that is in a graph's way, a line each."""
    if graph.complaints or graph.complaints_for_fast:
        out.print(f"{graph.name}:", highlight=False)
    for words in dict.fromkeys([*graph.complaints, *(f"for `fast`: {words}" for words in graph.complaints_for_fast)]):
        out.print(f"  {words}", highlight=False, markup=False, soft_wrap=True)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _offered(active: bool) -> str:
    return "" if active else "not offered"
