"""What the commands about ComfyUI show to people."""

from collections.abc import Sequence

from rich.table import Table

from commands.session import out
from studio.contracts.model import GenerationModel, VisualStyle
from studio.graphs import Standing
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
    """Models and styles, and the graphs a film may name besides."""
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
        out.print(f"A film may also name the graphs {', '.join(further)}", highlight=False, soft_wrap=True)


def _lacks(graph: Standing) -> None:
    """Everything that is in a graph's way, a line each."""
    if graph.complaints or graph.missing_for_fast:
        out.print(f"{graph.name}:", highlight=False)
    for words in dict.fromkeys(graph.complaints):
        out.print(f"  {words}", highlight=False, markup=False, soft_wrap=True)
    for folder, name in graph.missing_for_fast:
        place = f"models/{folder}" if folder else "where its loader looks"
        words = f"  for `fast`: model file {name} is missing on this server; it belongs in {place}"
        out.print(words, highlight=False, markup=False, soft_wrap=True)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _offered(active: bool) -> str:
    return "" if active else "not offered"
