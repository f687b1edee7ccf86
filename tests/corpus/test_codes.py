"""Every code that the protocol's section 4 lists is classed here as it stands there; the reference is not ours to
publish, so it stands beside the checkout, or is not there.
"""

import re

import pytest

from adapters.bitmart import refusals
from oms.reports import RefusalClass
from tests.corpus.cases import CORPUS

REFERENCE = CORPUS.parent / "PROTOCOL.md"
CLASSES = {  # PROTOCOL 4.2
    "RJ": RefusalClass.CERTAIN,
    "NF": RefusalClass.CERTAIN,  # about the request: the order itself is read
    "RT": RefusalClass.TRANSIENT,
    "RL": RefusalClass.RATE_LIMIT,
    "AU": RefusalClass.AUTH,
    "UN": RefusalClass.UNKNOWN,
    "DUP": RefusalClass.UNKNOWN,  # an earlier attempt may be live
}
OTHERWISE = {
    70000: "no class but `treat as empty`: test_no_data_is_an_empty_list_of_market_data",
    40012: "its words decide: test_9_11_the_catch_all_is_certain_only_in_words_that_are_known",
    1000: "success",
}
CODE = re.compile(r"(\d{4,5})(?:[\u2013-](\d{5}))?")


def listed() -> list[tuple[int, str]]:
    """Return each code of 4.3 to 4.7 with the cell that says its class."""
    text = REFERENCE.read_text() if REFERENCE.exists() else ""
    section = text.partition("### 4.3")[2].partition("### 4.8")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    return [
        (code, row[-1])
        for row in rows
        for first, last in CODE.findall(re.sub(r"\(\*{0,2}\d{3}\*{0,2}\)", "", row[0]))
        for code in range(int(first), int(last or first) + 1)
        if code not in OTHERWISE
    ]


CODES = listed()


@pytest.mark.skipif(not CODES, reason=f"the reference is not at {REFERENCE}")
def test_the_section_was_read_whole() -> None:
    assert len(CODES) > 200


@pytest.mark.parametrize(("code", "stands"), CODES)
def test_a_code_of_the_protocol_has_the_class_that_stands_there(code: int, stands: str) -> None:
    wanted = {klass for word, klass in CLASSES.items() if re.search(rf"\b{word}\b", stands)}
    assert wanted, stands
    assert refusals.CODES[code][0] in wanted
