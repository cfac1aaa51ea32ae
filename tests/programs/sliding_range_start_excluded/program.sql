-- The picture of the service's developer guide: a window of 5 seconds over rows at t1, t2, t6, t7 and three at t8 counts
-- 1, 2, 2, 2, 5. It leaves the moment at the window's start out, and the reference does not; see --range-start-excluded.
CREATE OR REPLACE STREAM "SOURCE_SQL_STREAM_001" ("n" INTEGER);

CREATE STREAM d (n INTEGER, c INTEGER);
CREATE PUMP p AS INSERT INTO d SELECT STREAM "n", COUNT(*) OVER (RANGE INTERVAL '5' SECOND PRECEDING)
FROM "SOURCE_SQL_STREAM_001";
