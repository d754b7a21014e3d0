"""What can go wrong, and whether trying again can help.

    StudioError
    ├── InvalidRequest              what was asked for cannot be made
    ├── BudgetReached               a limit of ours on what is spent
    ├── StillInLine                 a video waits at a gate               retryable, benign
    ├── ProviderError               an outside service said no, or nothing
    │   ├── AuthenticationError       our key is not accepted            stops everyone
    │   ├── Forbidden                 the key is good, this is not allowed
    │   ├── InsufficientCredits       the account is empty               stops everyone, until a top-up
    │   ├── SpendingCapReached        this key's own cap is reached      stops everyone, until a top-up
    │   ├── NotToppedUp               no more credits yet; look later    retryable, benign
    │   ├── PriceMismatch             billed in another price class      stops everyone
    │   ├── DeliveryMismatch          several clips in a row are wrong in the same way   stops everyone
    │   ├── RequestRefused            malformed, unknown, not offered
    │   │   └── StillUnreachable        the provider could not fetch the still
    │   ├── RateLimited               too many requests                  retryable
    │   ├── RateLimitExhausted        too many, for too long
    │   ├── Maintenance               closed for a while                 retryable
    │   ├── ProviderUnavailable       down or unreachable                retryable
    │   ├── ProviderDown              down or unreachable, for too long
    │   ├── StillRendering            not done yet; look again later     retryable, benign
    │   ├── BeingOrdered              somebody else orders it just now   retryable, benign
    │   ├── GenerationFailed          the provider tried and failed
    │   │   └── ContentRefused          its content policy said no
    │   ├── TaskLost                  the provider does not know its task any more
    │   ├── SubmissionUnknown         ordered or not? nobody knows; perhaps paid
    │   └── ComfyError                a ComfyUI server said no, or nothing
    │       ├── GraphRefused            it does not take the graph
    │       │   ├── ModelMissing          a model file is not on this server, or damaged
    │       │   ├── NodeMissing           a node is not installed on this server
    │       │   └── InvalidValue          an input has a value the node does not take
    │       ├── ExecutionFailed         a node failed while it worked
    │       │   ├── OutOfMemory           the GPU's memory is too small now     retryable
    │       │   └── ServerFileTrouble     it could not read or write a file     retryable
    │       ├── RenderInterrupted       somebody else stopped it
    │       ├── ServerUnfit             this server lacks something             retryable
    │       ├── RenderStuck             it does not move any more               retryable
    │       ├── ServerGone              down, unreachable, or no proper answer  retryable
    │       ├── ServerBusy              others' prompts, for too long           retryable
    │       └── OutputMissing           done, but the file is not there         retryable
    │           └── OutputPreviewed       the graph makes previews, no file                final
    ├── MediaError                  a file is not what it should be
    │   ├── BadClip                   delivered, but not what was ordered
    │   │   └── ClipUnreadable          empty, a page, cut off or damaged: perhaps only this copy of it
    │   ├── BadStill                  not a picture the provider takes
    │   ├── BadSound                  not a sound file that can be measured
    │   ├── MediaMissing              not in the object store
    │   ├── MediaChanged              in the object store, with other bytes
    │   ├── LinkExpired               the address leads nowhere any more
    │   │   └── AddressRefused          the address leads to where nothing is fetched from
    │   ├── LinkDoubtful              the address gives no usable file; a renewed one may
    │   ├── DownloadBroken            the bytes stopped half way         retryable
    │   │   └── NotAVideo               a page, an answer, nothing         retryable
    │   └── FfmpegFailed              ffmpeg ended with an error
    └── StorageUnavailable          our own storage does not answer      retryable
        ├── DatabaseUnavailable
        ├── ObjectStoreUnavailable
        └── WorkFolderFull

Only Temporal retries. `activities/_failures.py` hands `retryable`, `benign` and `retry_after` to it.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar, Literal, Self


class StudioError(Exception):
    """Base of every error Longtake raises on purpose. The message is read by people: it says what to do."""

    retryable: ClassVar[bool] = False
    benign: ClassVar[bool] = False
    """Expected in good health: kept out of failure metrics and error logs."""
    stops_everyone: ClassVar[bool] = False
    """The next request of anybody would fail for the same reason: the provider's gate closes."""
    until_top_up: ClassVar[bool] = False
    """More credits may be the end of it: the gate watches the account and opens by itself."""

    def __init__(self, message: str = "", *, retry_after: timedelta | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        self.retry_after = retry_after


class InvalidRequest(StudioError):
    """What was asked for cannot be made."""


class BudgetReached(StudioError):
    """A budget would be passed. Nothing was ordered."""


class StillInLine(StudioError):
    """The gate has been told of a video's tickets, and is told again later."""

    retryable = True
    benign = True


class ProviderError(StudioError):
    """An outside service said no, or nothing."""


class AuthenticationError(ProviderError):
    """The provider does not accept our key."""

    stops_everyone = True


class Forbidden(ProviderError):
    """The key is good, but this is not allowed."""


class InsufficientCredits(ProviderError):
    """The provider's account is empty."""

    stops_everyone = True
    until_top_up = True


class SpendingCapReached(ProviderError):
    """The spending cap of this key is reached."""

    stops_everyone = True
    until_top_up = True  # the cap itself cannot be looked up, but who tops up has most likely thought of it


class NotToppedUp(ProviderError):
    """The provider's account has no more credits than before."""

    retryable = True
    benign = True


class PriceMismatch(ProviderError):
    """The provider billed another price than the model's."""

    stops_everyone = True


class DeliveryMismatch(ProviderError):
    """Several clips in a row were delivered wrong in the same way."""

    stops_everyone = True


class RequestRefused(ProviderError):
    """The provider refuses the request: malformed, unknown or not offered."""


class StillUnreachable(RequestRefused):
    """The provider could not fetch the still."""


class RateLimited(ProviderError):
    """Too many requests: nothing was created, nothing was charged."""

    retryable = True


class RateLimitExhausted(ProviderError):
    """Too many requests, for too long."""


class Maintenance(ProviderError):
    """The provider is closed for maintenance."""

    retryable = True


class ProviderUnavailable(ProviderError):
    """The provider is down or unreachable."""

    retryable = True


class ProviderDown(ProviderError):
    """The provider stayed down or unreachable for too long."""


class StillRendering(ProviderError):
    """The provider is not done yet."""

    retryable = True
    benign = True


class BeingOrdered(ProviderError):
    """Somebody else sends the same order at this moment; what comes of it will be known soon."""

    retryable = True
    benign = True


class GenerationFailed(ProviderError):
    """The provider tried and failed."""


class ContentRefused(GenerationFailed):
    """The provider's content policy refused the prompt or the still."""


class TaskLost(ProviderError):
    """The provider does not know its task any more."""


class SubmissionUnknown(ProviderError):
    """It is not known whether the provider accepted the order. It may have been paid; it is never sent again."""

    def __init__(self, message: str = "", *, task_id: str | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.task_id = task_id
        """The task that the unclear answer named, if it named one: where to look before anything else."""


class ComfyError(ProviderError):
    """A ComfyUI server said no, or nothing."""


class GraphRefused(ComfyError):
    """The ComfyUI server does not take the graph."""


class ModelMissing(GraphRefused):
    """A model file is missing on this ComfyUI server, or damaged there."""

    @classmethod
    def named(cls, file: str, belongs: str) -> Self:
        """With the file's name and where it belongs, for example `in models/loras`."""
        return cls(f"Model file {file} is missing on this ComfyUI server; it belongs {belongs}")


class NodeMissing(GraphRefused):
    """A node of the graph is not installed on this ComfyUI server."""

    @classmethod
    def named(cls, node_type: str, where: str = "") -> Self:
        """With the node's class and, where known, which node of the graph it is: `node 72 "concat"`."""
        node, cure = f"{node_type} ({where})" if where else node_type, "install the custom node that brings it"
        return cls(f"Node {node} is not installed on this ComfyUI server; update ComfyUI or {cure}")


class InvalidValue(GraphRefused):
    """A node of the graph does not take the value of an input."""


class ExecutionFailed(ComfyError):
    """A node of the graph failed on the ComfyUI server."""


class OutOfMemory(ExecutionFailed):
    """The ComfyUI server ran out of memory."""

    retryable = True


class ServerFileTrouble(ExecutionFailed):
    """The ComfyUI server could not read or write a file."""

    retryable = True


class RenderInterrupted(ComfyError):
    """Somebody else interrupted the render on the ComfyUI server. A person did that: it is not begun again."""


class ServerUnfit(ComfyError):
    """This ComfyUI server, or its worker, cannot make it; another one may."""

    retryable = True


class RenderStuck(ComfyError):
    """The render has not moved for too long on the ComfyUI server."""

    retryable = True


class ServerGone(ComfyError):
    """The ComfyUI server is down, unreachable or gives no proper answer."""

    retryable = True


class ServerBusy(ComfyError):
    """The ComfyUI server is busy with other prompts for too long."""

    retryable = True

    @classmethod
    def waited(cls, time: timedelta, *, ahead: int) -> Self:
        """With how long ours has waited, and how many prompts are still before it."""
        minutes, prompts = round(time.total_seconds() / 60), "prompt is" if ahead == 1 else "prompts are"
        return cls(f"This ComfyUI server was busy for {minutes} minutes; {ahead} other {prompts} still before ours")


class OutputMissing(ComfyError):
    """The ComfyUI server finished, but the file it should have made is missing or unusable."""

    retryable = True


class OutputPreviewed(OutputMissing):
    """The graph makes only a preview, and saves no file. The same would come out again."""

    retryable = False


class MediaError(StudioError):
    """A file is not what it should be."""


class BadClip(MediaError):
    """The clip that was delivered is not the one that was ordered."""

    fault: str = ""  # its kind, comparable between clips: `codec hevc`, `black`; empty: not classified


class ClipUnreadable(BadClip):
    """The file is no video that can be decoded to its end. Another download of the same clip may be."""


class BadStill(MediaError):
    """The still is not a picture the provider takes."""


class BadSound(MediaError):
    """The sound file cannot be read."""


class MediaMissing(MediaError):
    """The file is not in the object store."""


class MediaChanged(MediaError):
    """The file in the object store has other bytes than its reference says."""


class LinkExpired(MediaError):
    """The address of the file leads nowhere any more."""


class AddressRefused(LinkExpired):
    """The address of the file is not on the internet, or not HTTPS. Nothing was sent there."""


class LinkDoubtful(MediaError):
    """The address gives no usable file. The clip is paid for: a renewed address may give it."""


class DownloadBroken(MediaError):
    """The download ended before the file did."""

    retryable = True


class NotAVideo(DownloadBroken):
    """What came in place of the file is no video: a page, an answer, nothing."""

    sha256: str = ""
    """Of what came, as far as it was read."""


class FfmpegFailed(MediaError):
    """ffmpeg ended with an error."""


class StorageUnavailable(StudioError):
    """Our own storage does not answer."""

    retryable = True


class DatabaseUnavailable(StorageUnavailable):
    """PostgreSQL does not answer."""


class ObjectStoreUnavailable(StorageUnavailable):
    """The object store does not answer."""


class WorkFolderFull(StorageUnavailable):
    """No space left in the worker's work folder."""


def error_types(base: type[StudioError] = StudioError) -> Iterator[type[StudioError]]:
    """`base` and everything below it."""
    yield base
    for child in base.__subclasses__():
        yield from error_types(child)


def non_retryable_types() -> list[str]:
    """The names of the errors no policy may retry. Temporal matches exact names, so every child is listed."""
    return sorted({error.__name__ for error in error_types() if not error.retryable})


def types_with(flag: Literal["stops_everyone", "until_top_up"]) -> frozenset[str]:
    """The names of the errors after which nothing should ask the same provider, or that a top-up may end."""
    return frozenset(error.__name__ for error in error_types() if getattr(error, flag))
