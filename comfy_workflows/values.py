"""The values a graph is given: what was asked for, made to fit its rules, and what had to be changed for that."""

import math
from collections.abc import Mapping

from comfy_workflows.declaration import GraphDeclaration, Parameter, ParameterName
from studio.contracts.render import GraphParameters
from studio.errors import InvalidRequest

Value = str | int | float
Values = Mapping[ParameterName, Value]
NAMES = ParameterName


def values_for(declaration: GraphDeclaration, asked: GraphParameters, notes: list[str]) -> dict[ParameterName, Value]:
    """A value for each parameter of the graph, but for those that another node says; `notes` grows.

    Raises:
        InvalidRequest: a value the graph cannot take.
    """
    wanted = _wanted(declaration, asked, notes)
    values: dict[ParameterName, Value] = {}
    for parameter in declaration.parameters:
        value = wanted.get(parameter.name)
        if value is not None:
            values[parameter.name] = _fitting(declaration, parameter, value, notes, asked.fps)
        elif parameter.default is not None:
            values[parameter.name] = parameter.default
    _follow_steps(declaration, values, notes)
    _whole_size(declaration, values)
    return values


def out_of_range(declaration: GraphDeclaration, asked: GraphParameters) -> dict[ParameterName, str]:
    """The values the graph cannot take, each with the reason.

    Raises:
        InvalidRequest: a length in seconds is asked for, and it has none, or its frames per second are unknown.
    """
    found = {}
    for name, value in _wanted(declaration, asked, []).items():
        parameter = declaration.parameter(name)
        try:
            if parameter is not None:
                _fitting(declaration, parameter, value, [], asked.fps)
        except InvalidRequest as error:
            found[name] = str(error)
    return found


def _wanted(declaration: GraphDeclaration, asked: GraphParameters, notes: list[str]) -> dict[ParameterName, Value]:
    steps, cfg = _pace(declaration, asked, notes)
    wanted: dict[ParameterName, Value | None] = {
        NAMES.PROMPT: asked.prompt,
        NAMES.NEGATIVE: asked.negative,
        NAMES.WIDTH: asked.width,
        NAMES.HEIGHT: asked.height,
        NAMES.LENGTH: _frames(declaration, asked, notes),
        NAMES.SECONDS: _seconds(declaration, asked),
        NAMES.FPS: asked.fps if asked.fps != declaration.fps or declaration.parameter(NAMES.FPS) else None,
        NAMES.SEED: asked.seed,
        NAMES.STEPS: steps,
        NAMES.CFG: cfg,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    for name in given:
        if declaration.parameter(name) is None:
            notes.append(f"{name} left out: {declaration.name} has none")
    _tell_pace_of_motion(declaration, asked, notes)
    return given


def _pace(declaration: GraphDeclaration, asked: GraphParameters, notes: list[str]) -> tuple[int | None, float | None]:
    """Steps and cfg. The few-step LoRAs are made for their own and go with no others."""
    if not asked.fast:
        return asked.steps, asked.cfg
    fast = declaration.fast
    if fast is None:
        notes.append(f"fast left out: {declaration.name} has no few-step LoRAs")
        return asked.steps, asked.cfg
    if asked.steps not in (None, fast.steps) or asked.cfg not in (None, fast.cfg):
        notes.append(f"fast: {fast.steps} steps, cfg {fast.cfg:g}, whatever else was asked for")
    return fast.steps, fast.cfg


def _frames(declaration: GraphDeclaration, asked: GraphParameters, notes: list[str]) -> int | None:
    """Frames for what was asked: never fewer than its seconds need, so that the rest can be cut off."""
    if declaration.parameter(NAMES.SECONDS) is not None:
        return None
    if declaration.parameter(NAMES.LENGTH) is None and (asked.seconds or asked.frames):
        if declaration.output.kind == "video":
            raise InvalidRequest(
                f"{declaration.name} cannot be told how long a clip is: mark its frames with in:length, or its seconds "
                "with in:seconds"
            )
        if asked.seconds:
            notes.append(f"seconds left out: {declaration.name} makes pictures")
            return None
    if asked.seconds is None:
        return asked.frames
    fps = _fps(declaration, asked.fps)
    if fps is None:
        raise InvalidRequest(f"{declaration.name} does not say its frames per second: mark them with in:fps")
    return math.ceil(round(asked.seconds * fps, 6))


def _seconds(declaration: GraphDeclaration, asked: GraphParameters) -> float | None:
    """The duration, of a graph that computes its frames of one."""
    if declaration.parameter(NAMES.SECONDS) is None or asked.frames is None:
        return asked.seconds if declaration.parameter(NAMES.SECONDS) else None
    fps = _fps(declaration, asked.fps)
    if fps is None:
        raise InvalidRequest(f"{declaration.name} does not say its frames per second: mark them with in:fps")
    return round(asked.frames / fps, 4)


def _fps(declaration: GraphDeclaration, asked: float | None) -> float | None:
    """Frames per second of the clip: as they are asked for, where the graph can be told."""
    return asked if asked and declaration.parameter(NAMES.FPS) else declaration.fps


def _fitting(
    declaration: GraphDeclaration, parameter: Parameter, value: Value, notes: list[str], fps: float | None
) -> Value:
    """The value, raised to the next one its rule allows; of a length also to the least, the rest is cut off later."""
    if isinstance(value, str):
        return value
    if parameter.name is NAMES.SEED:
        return _folded(parameter, int(value))
    least, most = parameter.least, parameter.most
    if parameter.type == "integer":
        whole = math.ceil(value)
        raised = max(whole, math.ceil(least)) if parameter.name is NAMES.LENGTH and least is not None else whole
        fitting = raised + (parameter.offset - raised) % parameter.step
        if fitting > whole:
            notes.append(f"{parameter.name} {value} → {fitting} ({parameter.rule or f'at least {plain(least)}'})")
        value = fitting
    if (least is not None and value < least) or (most is not None and value > most):
        rate = _fps(declaration, fps)
        if parameter.name is NAMES.LENGTH and rate and most is not None:
            longest = int(most) - (int(most) - parameter.offset) % parameter.step
            raise InvalidRequest(_too_long(declaration.name, int(value), longest, rate))
        raise InvalidRequest(f"{declaration.name}: {parameter.name} {plain(value)} is not {_range(parameter)}")
    return value


def _folded(parameter: Parameter, seed: int) -> int:
    """A seed of the range this sampler takes: of videos and sentences it is wider than that of many nodes."""
    least, most = int(max(parameter.least or 0, 0)), parameter.most
    return seed if most is None or most < least else least + (seed - least) % (int(most) - least + 1)


def _too_long(graph: str, frames: int, most: int, fps: float) -> str:
    can = math.floor(most / fps * 10) / 10
    return (
        f"{graph}: {frames / fps:.1f} s are too long for this graph, at most {can:g} s ({most} frames, {fps:g} per "
        "second): make it shorter, or take a model that makes longer clips"
    )


def _range(parameter: Parameter) -> str:
    if parameter.least is None or parameter.most is None:
        return f"at least {plain(parameter.least)}" if parameter.most is None else f"at most {plain(parameter.most)}"
    return f"between {plain(parameter.least)} and {plain(parameter.most)}"


def plain(number: float | str | None) -> str:
    """`16` for 16.0; a seed keeps all its digits."""
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


def _follow_steps(declaration: GraphDeclaration, values: dict[ParameterName, Value], notes: list[str]) -> None:
    """The second pass begins at half of the steps, where these are not the graph's own."""
    steps, own = values.get(NAMES.STEPS), declaration.parameter(NAMES.STEPS)
    if declaration.parameter(NAMES.SPLIT) is None or not isinstance(steps, int) or (own and steps == own.default):
        return
    values[NAMES.SPLIT] = steps // 2
    if steps % 2:
        notes.append(f"steps {steps}: {steps // 2} in the first pass, {steps - steps // 2} in the second")


def _whole_size(declaration: GraphDeclaration, values: Values) -> None:
    """A graph that takes its size from a picture must be told both sides or none."""
    sides = [name for name in (NAMES.WIDTH, NAMES.HEIGHT) if declaration.parameter(name) is not None]
    if len(sides) == 2 and len([name for name in sides if name in values]) == 1:
        raise InvalidRequest(f"{declaration.name}: say width and height, or neither")


def _tell_pace_of_motion(declaration: GraphDeclaration, asked: GraphParameters, notes: list[str]) -> None:
    own = declaration.fps
    if asked.fps and own and asked.fps != own and declaration.parameter(NAMES.FPS) is not None:
        notes.append(f"fps {asked.fps:g} instead of {own:g}: motion {asked.fps / own:.2g} times as fast")
