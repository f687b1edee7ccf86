"""Every spot payload of the corpus means what `expected_spot.py` says, and our requests are those that were accepted;
see `cases`.
"""

import zlib

import msgspec
import pytest

from adapters.bitmart.decode import decode
from adapters.bitmart.envelope import payload
from adapters.bitmart.rest import ServerTime
from adapters.bitmart.sign import sign
from adapters.bitmart.spot.dialect import TOPICS
from adapters.bitmart.spot.messages import UserFee
from oms.reports import Ack
from tests.corpus.cases import Cases
from tests.corpus.expected_spot import ANSWERS, FEES, FRAMES, NO_REPORTS, SERVER_TIME_MS
from tests.corpus.requests_spot import DOCUMENTED, NEVER_SENT, SENT

CASES = Cases("spot")
pytestmark = CASES.skipped


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_means(name: str) -> None:
    assert decode("spot", "rest", CASES.case(name)["path_or_channel"], CASES.body(name, "response")) == ANSWERS[name]


NEED_THEIR_PATH = (  # nothing in the payload tells them from others
    *(name for name, reports in ANSWERS.items() if reports == (Ack(),)),
)


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in NEED_THEIR_PATH])
def test_an_answer_means_the_same_where_nobody_says_what_was_asked(name: str) -> None:
    assert decode("spot", "rest", None, CASES.body(name, "response")) == ANSWERS[name]


@pytest.mark.parametrize("name", NO_REPORTS)
def test_an_answer_that_concerns_no_order_trade_balance_or_market_is_nothing(name: str) -> None:
    assert decode("spot", "rest", CASES.case(name)["path_or_channel"], CASES.body(name, "response")) == ()


@pytest.mark.parametrize("name", SERVER_TIME_MS)
def test_the_servers_time(name: str) -> None:
    assert payload(ServerTime, CASES.body(name, "response")) == ServerTime(server_time=SERVER_TIME_MS[name])


@pytest.mark.parametrize("name", FEES)
def test_the_accounts_fees(name: str) -> None:
    maker, taker = FEES[name]
    assert payload(UserFee, CASES.body(name, "response")) == UserFee(maker_fee_rate_A=maker, taker_fee_rate_A=taker)


@pytest.mark.parametrize("name", FRAMES)
def test_the_frames_of_a_stream_mean(name: str) -> None:
    kind = CASES.case(name)["kind"]
    assert tuple(decode("spot", kind, None, frame) for frame in CASES.frames(name)) == FRAMES[name]


@pytest.mark.parametrize("name", FRAMES)
def test_the_frames_mean_the_same_deflated_as_they_were_on_the_wire(name: str) -> None:
    for frame, expected in zip(CASES.frames(name), FRAMES[name], strict=True):
        packer = zlib.compressobj(wbits=-15)
        assert decode("spot", CASES.case(name)["kind"], None, packer.compress(frame) + packer.flush()) == expected


@pytest.mark.parametrize("name", SENT)
def test_we_would_send_the_same(name: str) -> None:
    ours = SENT[name]
    fields = msgspec.json.decode(ours.body)
    assert set(ours.added) <= set(fields)
    assert {field: value for field, value in fields.items() if field not in ours.added} | dict(
        ours.theirs
    ) == CASES.case(name)["request"]


def test_the_documented_signature() -> None:
    request = msgspec.json.encode(CASES.case("auth_signature_vector")["request"])
    assert sign(DOCUMENTED, 1589793796145, request) in CASES.case("auth_signature_vector")["note"]


def test_our_topics_are_those_of_the_recorded_streams() -> None:
    subscribed = [arg for frame in CASES.case("bitmartnet_Order")["request"][1:] for arg in frame["args"]]
    subscribed += [arg for frame in CASES.case("bitmartnet_Balance")["request"][1:] for arg in frame["args"]]
    assert subscribed == list(TOPICS)


def test_no_payload_is_left_out() -> None:
    answered = {name for name in CASES if CASES.case(name)["response"] is not None}
    streamed = {name for name in CASES if CASES.case(name)["frames"] is not None}
    requested = {name for name in CASES if CASES.case(name)["request"] is not None}
    assert set(ANSWERS) | set(NO_REPORTS) == answered
    assert not set(ANSWERS) & set(NO_REPORTS)
    assert set(FRAMES) == streamed
    assert set(SENT) | set(NEVER_SENT) == requested
    assert not set(SENT) & set(NEVER_SENT)
    assert answered | streamed | requested == set(CASES)
    assert (len(answered | requested - streamed), len(streamed)) == (105, 18)
