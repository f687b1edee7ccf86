"""What `oms cancel-all` ends with: a script that goes on after it relies on nothing being left."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.errors import LogUnavailableError, OmsError, OrderClosedError
from oms.gateway.problems import problem_of
from oms.gateway.replies import Item, Items

Oms = Callable[..., Any]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("error", "code"), [(LogUnavailableError("the log is gone"), 1), (OrderClosedError("it is over"), 0), (None, 0)]
)
def test_it_fails_where_an_order_was_refused_its_end_and_is_not_over(
    oms: Oms,
    monkeypatch: pytest.MonkeyPatch,
    error: OmsError | None,
    code: int,
    as_json: bool,  # noqa: FBT001
) -> None:
    problem = None if error is None else problem_of(error)
    items = [Item(client_order_id="a", status=202), Item(client_order_id="b", status=503, problem=problem)]
    monkeypatch.setattr("oms.cli.orders.ask_each", lambda *_, **__: [Items(position=7, items=items)])
    said = oms("cancel-all", *["--json"][: int(as_json)])
    assert said.code == code
    if as_json:
        assert [item["client_order_id"] for item in said.json["items"]] == ["a", "b"]
    else:
        assert said.out.endswith("2 orders, 1 of them refused and not over\n" if code else "2 orders\n")
