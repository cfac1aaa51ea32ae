"""Requests per client in 10-second windows with DuckDB: count_duckdb.py LOG CSV THREADS."""

import sys

import duckdb

log, csv, threads = sys.argv[1:4]
connection = duckdb.connect(config={"threads": int(threads)})
connection.execute("SET preserve_insertion_order=false")
connection.execute(f"""
    COPY (
        SELECT CAST(epoch(strptime(substr(request_time, 2, 20), '%d/%b/%Y:%H:%M:%S')) AS BIGINT) // 10 * 10 AS w, client_ip, count(*)
        FROM read_json('{log}', format='newline_delimited', columns={{request_time: 'VARCHAR', client_ip: 'VARCHAR'}}, ignore_errors=true)
        WHERE client_ip IS NOT NULL
        GROUP BY ALL
    ) TO '{csv}' (FORMAT csv, HEADER false)
""")
