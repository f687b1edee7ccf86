"""Who may do what: tokens, scopes, strategies, accounts."""

import asyncio

import pytest

from oms.gateway.tokens import InvalidTokenError, PostgresTokens, Scope, digest, mint
from oms.values import AccountId, StrategyId
from tests.gateway.house import House, order

CALLS = {
    "read": ("GET", "/v1/orders", None),
    "place": ("POST", "/v1/orders", order()),
    "batch": ("POST", "/v1/orders/batch", {"orders": [order()]}),
    "cancel": ("DELETE", "/v1/orders/theirs", None),
    "cancel-all": ("POST", "/v1/cancel-all", {}),
    "halt": ("POST", "/v1/halt", {"reason": "r"}),
    "resume": ("POST", "/v1/resume", {"reason": "r"}),
}
# What each scope opens: 2 done, 3 forbidden, 4 not found (the order is another strategy's).
TABLE = """
               read  place  batch  cancel  cancel-all  halt  resume
read             2     3      3      3         3         3      3
orders:write     3     2      2      3         3         3      3
orders:cancel    3     3      3      4         2         3      3
risk:write       3     3      3      3         3         2      2
audit:read       3     3      3      3         3         3      3
admin            2     2      2      2         2         2      2
"""
NAMES, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], name, cell) for row in ROWS for name, cell in zip(NAMES, row[1:], strict=True)]


@pytest.mark.parametrize(("scope", "name", "cell"), CELLS)
async def test_a_scope_opens_what_it_says_and_no_more(house: House, scope: str, name: str, cell: str) -> None:
    await house.place(client_order_id="theirs", token=house.tokens.create("taker"))
    before = await house.log.head()
    token = house.tokens.create("maker", scopes=(Scope(scope),))
    method, path, body = CALLS[name]
    answer = await house.call(method, path, body, token=token, headers={"Idempotency-Key": "k"})
    expected = {"2": (200, 202), "3": (403,), "4": (404,)}[cell]
    assert answer.status in expected
    if cell != "2":
        assert answer.json["outcome"] == "none"
        assert await house.log.head() == before


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer x",
        "Bearer oms_",
        "Bearer oms_a_",
        "Bearer oms_unknown_0123",
        "Basic b21zOm9tcw==",
        "Bearer oms_\u00e9_x",
    ],
)
async def test_who_brings_no_valid_token_learns_only_that(house: House, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await house.call("POST", "/v1/orders", order(), token=None, headers=headers)
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (401, "unauthenticated", "none")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_wrong_secret_is_refused_like_an_unknown_token(house: House) -> None:
    wrong = house.token[:-1] + ("0" if house.token[-1] != "0" else "1")
    answers = [await house.call("GET", "/v1/orders", token=token) for token in (wrong, "oms_nobody_" + "0" * 64)]
    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].json["detail"] == answers[1].json["detail"]


async def test_another_strategys_order_is_not_there(house: House) -> None:
    await house.place()
    taker = house.tokens.create("taker")
    for method, path in (("GET", "/v1/orders/c1"), ("GET", "/v1/orders/c1/timeline"), ("DELETE", "/v1/orders/c1")):
        theirs = await house.call(method, path, token=taker, headers={"Idempotency-Key": "k"})
        nobodys = await house.call(method, path.replace("c1", "c9"), token=taker, headers={"Idempotency-Key": "k"})
        assert (theirs.status, theirs.json["code"]) == (404, "unknown_order")
        assert theirs.json == nobodys.json | {"detail": nobodys.json["detail"].replace("c9", "c1")}
    assert (await house.call("GET", "/v1/orders", token=taker)).json["items"] == []
    asked = await house.call("GET", "/v1/orders?strategy=maker", token=taker)
    assert (asked.status, asked.json["code"]) == (403, "forbidden")
    events = (await house.call("GET", "/v1/events", token=taker)).json["items"]
    assert {event["data"]["stream"] for event in events} == {"account/main"}


async def test_an_administrator_sees_all(house: House) -> None:
    await house.place()
    admin = house.tokens.create("operator", accounts=(), scopes=(Scope.ADMIN,))
    assert (await house.call("GET", "/v1/orders/c1", token=admin)).json["strategy"] == "maker"
    assert len((await house.call("GET", "/v1/orders", token=admin)).json["items"]) == 1
    assert (await house.cancel("c1", token=admin)).status == 202


async def test_a_new_token_opens_at_once_and_a_revoked_one_within_a_second(house: House) -> None:
    assert (await house.call("GET", "/v1/orders")).status == 200
    fresh = house.tokens.create("fresh")
    assert (await house.call("GET", "/v1/orders", token=fresh)).status == 200
    house.tokens.revoke(fresh)
    await asyncio.sleep(1.0)
    assert (await house.call("GET", "/v1/orders", token=fresh)).status == 401


async def test_guesses_do_not_make_the_gateway_ask_for_every_one(house: House) -> None:
    guesses = [house.call("GET", "/v1/orders", token=f"oms_guess{n}_{'0' * 64}") for n in range(5)]
    before, started = house.tokens.looks, house.clock.monotonic()
    assert {answer.status for answer in await asyncio.gather(*guesses)} == {401}
    elapsed = house.clock.monotonic() - started
    assert house.tokens.looks - before <= 1 + elapsed / 0.1


async def test_a_known_token_still_opens_while_the_tokens_cannot_be_read(house: House) -> None:
    assert (await house.call("GET", "/v1/orders")).status == 200
    house.tokens.down = True
    await asyncio.sleep(1.0)
    assert (await house.call("GET", "/v1/orders")).status == 200
    unknown = await house.call("GET", "/v1/orders", token="oms_nobody_" + "0" * 64)
    assert (unknown.status, unknown.json["code"]) == (503, "log_unavailable")


async def test_nobody_queues_for_the_tokens_while_the_database_is_silent(house: House) -> None:
    taker = house.tokens.create("taker")
    assert (await house.call("GET", "/v1/orders", token=taker)).status == 200
    house.tokens.down, house.tokens.silent_seconds, looks = True, 0.4, house.tokens.looks
    await asyncio.sleep(1.0)
    started = house.clock.monotonic()
    answers = await asyncio.gather(*(house.call("GET", "/v1/orders", token=taker) for _ in range(10)))
    answers.append(await house.call("POST", "/v1/cancel-all", {}, headers={"Idempotency-Key": "k"}))
    assert {answer.status for answer in answers} == {200}
    assert house.clock.monotonic() - started < 1.0
    assert house.tokens.looks == looks + 1


def test_a_token_is_kept_as_a_hash_and_never_shown() -> None:
    token, text = mint(strategy=StrategyId("maker"), accounts=[AccountId("main")], scopes=[Scope.READ])
    secret = text.rpartition("_")[2]
    assert len(secret) == 64
    assert token.digest == digest(secret)
    assert secret not in repr(token)
    assert token.digest.hex() not in repr(token)
    assert token.opens_with(secret)
    assert not token.opens_with(secret[:-1])


@pytest.mark.parametrize(
    ("strategy", "accounts", "scopes"),
    [
        ("", ["main"], [Scope.READ]),
        ("maker", [], [Scope.READ]),
        ("maker", ["main"], []),
        ("a\nb", ["main"], [Scope.READ]),
    ],
)
def test_a_token_that_says_nothing_is_not_made(strategy: str, accounts: list[str], scopes: list[Scope]) -> None:
    with pytest.raises(InvalidTokenError):
        mint(strategy=StrategyId(strategy), accounts=[AccountId(name) for name in accounts], scopes=scopes)


@pytest.mark.postgres
async def test_tokens_live_in_postgres_until_they_are_revoked(database: str) -> None:
    tokens = PostgresTokens(database)
    made, text = tokens.create(
        strategy=StrategyId("maker"), accounts=[AccountId("main"), AccountId("main")], scopes=[Scope.READ]
    )
    (kept,) = await tokens.valid()
    assert (kept.token_id, kept.strategy, kept.accounts, kept.scopes) == (made.token_id, "maker", ("main",), ("read",))
    assert kept.opens_with(text.rpartition("_")[2])
    tokens.revoke(made.token_id)
    assert await tokens.valid() == []
    assert [token.revoked_at is not None for token in tokens.list()] == [True]
    with pytest.raises(InvalidTokenError, match="no valid token"):
        tokens.revoke(made.token_id)


@pytest.mark.postgres
def test_the_writer_may_read_tokens_and_make_none(database: str) -> None:
    import psycopg  # noqa: PLC0415

    from oms.store.database import connect  # noqa: PLC0415

    with connect(database, role="oms_writer") as connection:
        connection.execute("SELECT * FROM tokens")
        for statement in (
            "INSERT INTO tokens DEFAULT VALUES",
            "UPDATE tokens SET revoked_at = NULL",
            "DELETE FROM tokens",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    with connect(database, role="oms_reader") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM tokens")
