-- What every strategy's own trades moved, signed, by strategy; what nobody here asked for is under 'unattributed'.
-- The shares of a leg add up to its quantity. For what is there already they follow from its fills.

ALTER TABLE positions ADD COLUMN shares jsonb NOT NULL DEFAULT '{}';

UPDATE positions SET shares = moved.shares
FROM (
    SELECT account, symbol, leg, jsonb_object_agg(owner, quantity::text) AS shares
    FROM (
        SELECT f.account, f.symbol, o.position_leg AS leg,
               CASE f.strategy WHEN 'external' THEN 'unattributed' ELSE f.strategy END AS owner,
               sum(CASE f.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END) AS quantity
        FROM fills f JOIN orders o USING (account, client_order_id)
        WHERE NOT f.busted
        GROUP BY 1, 2, 3, 4
    ) AS each
    WHERE quantity <> 0
    GROUP BY 1, 2, 3
) AS moved
WHERE (positions.account, positions.symbol, positions.leg) = (moved.account, moved.symbol, moved.leg);
