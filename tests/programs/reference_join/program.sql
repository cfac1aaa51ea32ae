-- The example of the service's guide: a company's name for each ticker.
CREATE OR REPLACE STREAM "SOURCE_SQL_STREAM_001" ("ticker_symbol" VARCHAR(4), "price" DOUBLE, "id" INTEGER);

CREATE STREAM d (ticker VARCHAR(4), company VARCHAR(20), price DOUBLE);
CREATE PUMP p AS INSERT INTO d
SELECT STREAM "ticker_symbol", c."company", "price" FROM "SOURCE_SQL_STREAM_001" JOIN REFERENCE AS c
ON "SOURCE_SQL_STREAM_001"."ticker_symbol" = c."ticker" WHERE "price" > 1;

CREATE STREAM counts (company VARCHAR(20), c INTEGER);
CREATE PUMP q AS INSERT INTO counts
SELECT STREAM "company", COUNT(*) FROM "SOURCE_SQL_STREAM_001" AS s LEFT JOIN REFERENCE ON "id" = REFERENCE."id"
GROUP BY "company", FLOOR(s.ROWTIME TO MINUTE);
