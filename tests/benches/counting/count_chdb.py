"""Requests per client in 10-second windows with chDB, one thread: count_chdb.py LOG CSV."""

import sys

import chdb

log, csv = sys.argv[1:3]
chdb.query(f"""
    SELECT intDiv(toUnixTimestamp(parseDateTime(substring(request_time, 2, 20), '%d/%b/%Y:%H:%i:%s', 'UTC')), 10) * 10 AS w,
        client_ip, count()
    FROM file('{log}', 'JSONEachRow', 'request_time String, client_ip String')
    GROUP BY w, client_ip
    INTO OUTFILE '{csv}' TRUNCATE FORMAT CSV
    SETTINGS max_threads = 1, input_format_skip_unknown_fields = 1,
        input_format_allow_errors_ratio = 0.01, input_format_allow_errors_num = 1000000
""")
