"""What is wrong with a graph on a certain server; each says it in one sentence."""

from dataclasses import dataclass, field

from comfy_workflows.editor_nodes import editor_only

MOST_CHOICES = 8


@dataclass(frozen=True)
class Complaint:
    """Something the server would refuse, or silently ignore."""

    node: str
    """Id of the node; empty: the whole graph."""
    node_name: str
    """How people know the node: id, title and class."""
    certain: bool = field(default=True, kw_only=True)
    """Would every server refuse it? Otherwise it is worth a remark, and the server has the last word."""

    @property
    def text(self) -> str:
        """What is the matter, without where."""
        raise NotImplementedError

    @property
    def remark(self) -> str:
        """The same in one sentence, where it is not certain."""
        return f"{self}; the node may take it all the same, the server has the last word"

    def __str__(self) -> str:
        return f"{self.node_name}: {self.text}" if self.node_name else self.text


@dataclass(frozen=True)
class NotAGraph(Complaint):
    """Not a graph in API format."""

    reason: str

    @property
    def text(self) -> str:
        return self.reason


@dataclass(frozen=True)
class NothingSaved(Complaint):
    """No node writes a file."""

    @property
    def text(self) -> str:
        return "no node of this graph saves anything"


@dataclass(frozen=True)
class GoesInCircles(Complaint):
    """Nodes that wait for each other."""

    nodes: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"its nodes wait for each other: {' → '.join(self.nodes)}"


@dataclass(frozen=True)
class MissingNode(Complaint):
    """The server does not know this class of nodes."""

    class_type: str

    @property
    def text(self) -> str:
        if (reason := editor_only(self.class_type)) is not None:
            return f"{self.class_type} {reason}"
        return f"this server has no node {self.class_type}: ComfyUI is too old, or a custom node is not installed"


@dataclass(frozen=True)
class MissingModel(Complaint):
    """A model file that the server does not list."""

    input: str
    folder: str
    """Below the server's `models`; empty: nobody knows."""
    name: str
    listed_as: str | None = None
    """A file of the same name in another subfolder."""

    @property
    def text(self) -> str:
        if self.listed_as is not None:
            return f"model file {self.name} is not on this server, but {self.listed_as} is"
        place = f"; it belongs in models/{self.folder}" if self.folder else ""
        return f"model file {self.name} is missing on this server{place}"


@dataclass(frozen=True)
class InvalidValue(Complaint):
    """A value that does not fit its input."""

    input: str
    value: object
    reason: str

    @property
    def text(self) -> str:
        return f"{self.input} {self.value!r} {self.reason}"


@dataclass(frozen=True)
class MissingInput(Complaint):
    """A required input that is not there."""

    input: str

    @property
    def text(self) -> str:
        return f"{self.input} is required"


@dataclass(frozen=True)
class UnknownInput(Complaint):
    """An input the node does not have. Servers ignore these, and some nodes read such inputs all the same."""

    input: str
    certain: bool = field(default=False, kw_only=True)

    @property
    def text(self) -> str:
        return f"{self.input} is no input of this node"

    @property
    def remark(self) -> str:
        return f"{self}; the server would ignore it"


@dataclass(frozen=True)
class MissingUpload(Complaint):
    """A picture, video or sound the server does not have yet."""

    input: str
    name: str
    certain: bool = field(default=False, kw_only=True)

    @property
    def text(self) -> str:
        return f"{self.input} {self.name} is not among the files of this server"

    @property
    def remark(self) -> str:
        return f"{self}: upload it there, or mark the node, in:image, if it stands for a picture of ours"


@dataclass(frozen=True)
class BadLink(Complaint):
    """A link that leads nowhere, or to something else than the input takes."""

    input: str
    reason: str

    @property
    def text(self) -> str:
        return f"{self.input} {self.reason}"


def none_of(choices: tuple[object, ...]) -> str:
    """`is not one of …`, cut to a length that can be read."""
    if not choices:
        return "cannot be chosen: this server offers nothing"
    named = ", ".join(str(choice) for choice in choices[:MOST_CHOICES])
    more = f" and {len(choices) - MOST_CHOICES} more" if len(choices) > MOST_CHOICES else ""
    return f"is not one of {named}{more}"
