-- A query over a UNION ALL: columns meet by position, have the names of the first SELECT, and a type that holds them all.
CREATE OR REPLACE STREAM "SOURCE_SQL_STREAM_001" ("kind" VARCHAR(4), "n" INTEGER, "big" BIGINT);

CREATE STREAM merged (kind VARCHAR(8), n BIGINT, x DOUBLE, what VARCHAR(8));
CREATE PUMP merge AS INSERT INTO merged
SELECT STREAM kind, "n", x, what FROM (
    SELECT STREAM "kind" AS kind, "n", "n" AS x, NULL AS what FROM "SOURCE_SQL_STREAM_001" WHERE "kind" = 'a'
    UNION ALL
    (SELECT STREAM "kind", "big", 0.5, 'b' FROM "SOURCE_SQL_STREAM_001" WHERE "kind" = 'b'
     UNION ALL
     SELECT STREAM 'c', 7, "n", "kind" FROM "SOURCE_SQL_STREAM_001" WHERE "kind" = 'c')
) AS u ORDER BY FLOOR(u.ROWTIME TO SECOND);

-- One SELECT is a window itself: its rows come when it is over, stamped with its end.
CREATE STREAM counted (kind VARCHAR(8), c INTEGER, total BIGINT);
CREATE PUMP count_them AS INSERT INTO counted
SELECT STREAM u."kind", COUNT(*), SUM(u."n") FROM (
    SELECT STREAM "kind", "n" FROM "SOURCE_SQL_STREAM_001" WHERE "kind" <> 'c'
    UNION ALL
    SELECT STREAM 'all', SUM("big") FROM "SOURCE_SQL_STREAM_001" AS s GROUP BY STEP(s.ROWTIME BY INTERVAL '10' SECOND)
) AS u GROUP BY u."kind", FLOOR(u.ROWTIME TO MINUTE);

-- The same column cuts the window in both.
CREATE STREAM per_time (t TIMESTAMP, c INTEGER);
CREATE PUMP by_time AS INSERT INTO per_time
SELECT STREAM u.t, COUNT(*) FROM (
    SELECT STREAM FLOOR(s.ROWTIME TO MINUTE) AS t FROM "SOURCE_SQL_STREAM_001" AS s
    UNION ALL
    SELECT STREAM FLOOR(s.ROWTIME TO MINUTE) FROM "SOURCE_SQL_STREAM_001" AS s WHERE s."n" > 2
) AS u GROUP BY u.t;
