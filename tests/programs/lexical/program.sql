CREATE OR REPLACE STREAM "SOURCE_SQL_STREAM_001" ("store-id" VARCHAR(4), "source" VARCHAR(4), "a""b" INTEGER);

// a comment that doesn't end the program; nor its 'quote
/* another,
   over lines; with -- and // inside */
create or replace stream Results ("store-id" varchar(4), source varchar(4), "Mixed Case" integer) description 'what it is; really';
CREATE OR REPLACE PUMP "P" -- here too
AS INSERT INTO results
select stream "store-id" source, s."source" AS "x" /* ' */, "a""b" minute
FROM "SOURCE_SQL_STREAM_001" s WHERE "store-id" <> '--not // a comment''s' ;;
/* and one that nobody closed
