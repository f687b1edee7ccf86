"""Published payloads, held against what the simulator answers."""

import json
from collections.abc import Collection
from typing import Any

import pytest

from tests.corpus.cases import CORPUS

NOT_SHOWN = {
    "success": "beside code on one capture, and contradicting it",
    "planned_down_time": "no market here is going to be delisted",
    "errno": "an older envelope",
}
needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the corpus of BitMart payloads is not beside this checkout"
)


def served(market: str, *, not_served: Collection[str], skipped: Collection[str]) -> list[dict[str, Any]]:
    """Return the cases of REST calls, but those of paths that are not served here and files that are skipped."""
    cases = [
        json.loads(file.read_text()) | {"file": file.name}
        for file in sorted(CORPUS.glob(f"{market}/rest/*.json"))
        if file.name not in skipped
    ]
    return [
        case for case in cases
        if str(case["path_or_channel"]).startswith("/") and not any(p in case["path_or_channel"] for p in not_served)
    ]  # fmt: skip


def missing(sample: Any, ours: Any, path: str = "") -> list[str]:
    """Return the fields of `sample` that `ours` has not, or has with another JSON type."""
    if isinstance(sample, dict):
        if not isinstance(ours, dict):
            return [f"{path} is no object"]
        found = []
        for name, value in sample.items():
            if name not in NOT_SHOWN:
                found += missing(value, ours[name], f"{path}.{name}") if name in ours else [f"{path}.{name}"]
        return found
    if isinstance(sample, list):
        if not isinstance(ours, list):
            return [f"{path} is no list"]
        return missing(sample[0], ours[0], f"{path}[]") if sample and ours else []
    return [] if sample is None or type(sample) is type(ours) else [f"{path} is a {type(ours).__name__}"]
