"""A paid clip that the provider has finished: downloaded, verified, stored; its address renewed where that can help."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.keeping import KeepingActivities
from activities.kling import KlingActivities
from studio.contracts.clip import RenderedClip
from studio.contracts.keeping import ClipToKeep, KeptClip
from studio.errors import AddressRefused, LinkDoubtful, LinkExpired
from workflows_temporal.outcome import kind_of
from workflows_temporal.policies import KEEP, LONGEST_PAUSE_BEFORE_RENEWAL, MOST_RENEWALS, RENEW, titled

_GONE = (LinkExpired.__name__, AddressRefused.__name__)
_RENEWABLE = (*_GONE, LinkDoubtful.__name__)


async def ingest_clip(to_keep: ClipToKeep, rendered: RenderedClip, label: str) -> KeptClip:
    """Store the clip as a take. An address that is gone, or gives no usable file, is renewed a few times.

    A clip that never comes stays ordered and delivered in the ledger: the next try downloads it and buys nothing.

    Raises:
        ActivityError: as `keep_clip` says last, or as renewing an address that is gone does.
    """
    keep = titled(KEEP, label)
    for renewals in range(MOST_RENEWALS):
        to_keep = to_keep.model_copy(update={"url": rendered.url, "renewals": renewals})
        try:
            return await workflow.execute_activity_method(KeepingActivities.keep_clip, to_keep, **keep)
        except ActivityError as error:
            if kind_of(error) not in _RENEWABLE:
                raise
            gone = kind_of(error) in _GONE
        if renewals:  # one renewal is usual; more mean that the host is ill
            pause = min(timedelta(seconds=2**renewals), LONGEST_PAUSE_BEFORE_RENEWAL)
            await workflow.sleep(pause, summary=f"{label}: before its address is renewed again")
        rendered = await _renewed(rendered, label, gone=gone)
    to_keep = to_keep.model_copy(update={"url": rendered.url, "renewals": MOST_RENEWALS})
    return await workflow.execute_activity_method(KeepingActivities.keep_clip, to_keep, **keep)


async def _renewed(rendered: RenderedClip, label: str, *, gone: bool) -> RenderedClip:
    """Under a new address; under the old one when that still answers and there is no other."""
    try:
        return await workflow.execute_activity_method(KlingActivities.renew_link, rendered, **titled(RENEW, label))
    except ActivityError as error:
        if gone or is_cancelled_exception(error):
            raise
        return rendered
