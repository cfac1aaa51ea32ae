CREATE OR REPLACE STREAM "SOURCE_SQL_STREAM_001" ("event_time" TIMESTAMP, "ticker" VARCHAR(4));

-- Partial counts of an event minute are summed downstream, over a longer window of arrival.
CREATE STREAM partial (event_minute TIMESTAMP, ticker VARCHAR(4), c INTEGER);
CREATE STREAM total (event_minute TIMESTAMP, ticker VARCHAR(4), c INTEGER);
CREATE PUMP p AS INSERT INTO partial
SELECT STREAM FLOOR("event_time" TO MINUTE), "ticker", COUNT(*) FROM "SOURCE_SQL_STREAM_001" s
GROUP BY "ticker", STEP(s.ROWTIME BY INTERVAL '60' SECOND), FLOOR("event_time" TO MINUTE);
CREATE PUMP q AS INSERT INTO total
SELECT STREAM event_minute, ticker, SUM(c) FROM partial GROUP BY event_minute, ticker, STEP(partial.ROWTIME BY INTERVAL '1' HOUR);
