"""What whoever runs the OMS is shown: how a comparison with the venue went, what is open, whether all is well."""

from collections.abc import Mapping, Sequence
from typing import Any

from oms.gateway.views import View


class OpenBreak(View, frozen=True, kw_only=True):
    """One break that is open now."""

    break_id: str
    kind: str
    ours: str
    theirs: str
    explanation: str | None = None


class AccountBreaks(View, frozen=True, kw_only=True):
    """What is open on an account after somebody explained or resolved a break."""

    position: int
    account: str
    items: Sequence[OpenBreak]


class Would(View, frozen=True, kw_only=True):
    """One event that a comparison would append."""

    stream: str
    version: int
    type: str
    data: Mapping[str, Any]


class Comparison(View, frozen=True, kw_only=True):
    """How one account's comparison went: `result` is complete, partial or failed, `failures` says of which part and
    why; `disagreements` has, by break id, our figure and the venue's; `orders` says of every order that is open here or
    there whether it is matched, adopted, ended or unknown. `events` are those that a dry run would append.
    """

    account: str
    result: str
    failures: Mapping[str, str]
    disagreements: Mapping[str, tuple[str, str]]
    orders: Mapping[str, str] = {}
    events: Sequence[Would] = ()


class Comparisons(View, frozen=True, kw_only=True):
    """How the comparisons went."""

    position: int
    items: Sequence[Comparison]


class Check(View, frozen=True, kw_only=True):
    """One promise: kept, or how it is broken. Of one that is kept `detail` is a remark, for a person to look at."""

    name: str
    ok: bool
    detail: str = ""


class Health(View, frozen=True, kw_only=True):
    """Whether every promise is kept."""

    ok: bool
    position: int
    checks: Sequence[Check] = ()
