CREATE OR REPLACE STREAM "SOURCE_SQL_STREAM_001" ("ticker" VARCHAR(4), "price" DOUBLE, "n" INTEGER);

-- Alerts, and of these only the first in a minute of each ticker.
CREATE STREAM alerts (ticker VARCHAR(4), n INTEGER);
CREATE STREAM throttled (ticker VARCHAR(4), n INTEGER);
CREATE PUMP a AS INSERT INTO alerts SELECT STREAM "ticker", "n" FROM "SOURCE_SQL_STREAM_001" WHERE "n" > 1;
CREATE PUMP b AS INSERT INTO throttled SELECT STREAM ticker, n FROM
(SELECT STREAM ticker, n, COUNT(*) OVER within_minute AS seen FROM alerts WINDOW within_minute AS (PARTITION BY ticker RANGE INTERVAL '1' MINUTE PRECEDING))
WHERE seen = 1;
