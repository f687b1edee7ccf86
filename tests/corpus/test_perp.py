"""Every futures payload of the corpus means what `expected_perp.py` says, and our commands are those that were taken;
see `cases`.
"""

import msgspec
import pytest

from adapters.bitmart.decode import decode
from adapters.bitmart.envelope import payload
from adapters.bitmart.perp import codec
from adapters.bitmart.perp.dialect import login
from adapters.bitmart.perp.messages import FeeRate
from tests.corpus.cases import Cases
from tests.corpus.expected_perp import ANSWERS, FRAMES, NO_REPORTS
from tests.corpus.requests_perp import NEVER_SENT, SENT
from tests.corpus.requests_spot import DOCUMENTED

CASES = Cases("futures")
pytestmark = CASES.skipped


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_means(name: str) -> None:
    path = CASES.case(name)["path_or_channel"]
    assert decode("futures", "rest", path, CASES.body(name, "response")) == ANSWERS[name]


NEED_THEIR_PATH = (  # spelled like answers to another call: a transfer, a mode that is read, bars of trades
    "claim__docs",
    "set_position_mode__bitmartnet_SetPositionMode",
    "public_markprice_kline__captured",
    "public_markprice_kline__docs",
)


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in NEED_THEIR_PATH])
def test_an_answer_means_the_same_where_nobody_says_what_was_asked(name: str) -> None:
    assert decode("futures", "rest", None, CASES.body(name, "response")) == ANSWERS[name]


@pytest.mark.parametrize("name", NO_REPORTS)
@pytest.mark.parametrize("told", [True, False])
def test_an_answer_that_concerns_nothing_we_report_is_nothing(name: str, *, told: bool) -> None:
    path = CASES.case(name)["path_or_channel"] if told else None
    assert decode("futures", "rest", path, CASES.body(name, "response")) == ()


def test_the_accounts_fees() -> None:
    found = payload(FeeRate, CASES.body("trade_fee_rate__docs", "response"))
    assert found == FeeRate(symbol="BTCUSDT", maker_fee_rate="0.0002", taker_fee_rate="0.0006")


@pytest.mark.parametrize("name", FRAMES)
def test_the_frames_of_a_stream_mean(name: str) -> None:
    kind = CASES.case(name)["kind"]
    assert tuple(decode("futures", kind, None, frame) for frame in CASES.frames(name)) == FRAMES[name]


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_of_the_channel_that_was_asked_for(name: str) -> None:
    channels = {codec.frame(frame)[0] for frame in CASES.frames(name)} - {""}
    asked = CASES.case(name)["path_or_channel"]
    assert all(channel in asked for channel in channels)


@pytest.mark.parametrize("name", SENT)
def test_we_would_send_the_same(name: str) -> None:
    ours = SENT[name]
    fields = msgspec.json.decode(ours.body)
    assert set(ours.added) <= set(fields)
    kept = {field: value for field, value in fields.items() if field not in ours.added}
    assert kept | dict(ours.theirs) == CASES.case(name)["request"]


def test_we_would_log_in_the_same() -> None:
    assert msgspec.json.decode(login(DOCUMENTED, 1589267764859)) == CASES.case("docs_login")["request"]


def test_no_command_is_left_out() -> None:
    commands = {name for name in CASES if CASES.case(name)["method"] == "POST" and CASES.case(name)["request"]}
    assert set(SENT) | set(NEVER_SENT) == commands
    assert not set(SENT) & set(NEVER_SENT)


def test_no_payload_is_left_out() -> None:
    answered = {name for name in CASES if CASES.case(name)["response"] is not None}
    streamed = {name for name in CASES if CASES.case(name)["frames"] is not None}
    assert set(ANSWERS) | set(NO_REPORTS) == answered
    assert not set(ANSWERS) & set(NO_REPORTS)
    assert set(FRAMES) == streamed
    assert (len(set(CASES) - streamed), len(streamed)) == (101, 33)
