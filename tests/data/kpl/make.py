"""Writes aggregated records made by AWS's own library, the PyPI package aws-kinesis-agg, and what was put into them.

    tests/install-servers
    ~/.cache/weir/servers/venv/bin/python tests/data/kpl/make.py > tests/data/kpl/aggregates.jsonl

One line an aggregate: its bytes, and the user records in their order; a sub-sequence number is the place in that list.
Bytes are written in hex.
"""

import json
import sys

from aws_kinesis_agg.aggregator import RecordAggregator


def lines(*numbers):
    return [f'{{"client_ip":"10.0.0.{number % 7}","number":"{number}"}}\n' for number in numbers]


GZIP = (
    "1f8b0800000000000203ab564acec94ccd2b89cf2c50b2523234d0034153251da5bcd2dca4d4229098a5522d"
    "1700421f828427000000"
)

# Each an aggregate: user records of (partition key, explicit hash key, data).
AGGREGATES = [
    [("web", None, line) for line in lines(1)],
    [("web", None, line) for line in lines(2, 3, 4)],
    # Keys of their own: the key table has as many entries, some are used twice.
    [(f"node-{number % 3}", None, line) for number, line in enumerate(lines(*range(5, 12)))],
    [("a", "0", lines(12)[0]), ("b", str(2**128 - 1), lines(13)[0]), ("a", None, lines(14)[0])],
    # Data of more than 127 and of more than 16,383 bytes: lengths of two and of three bytes.
    [("web", None, "x" * 300), ("web", None, "y" * 20_000), ("web", None, lines(15)[0])],
    # Two lines in one, no newline, bytes that are no text, text beyond ASCII, and nothing.
    [("web", None, "".join(lines(16, 17))), ("web", None, lines(18)[0].rstrip()), ("é", None, "ü\n"), ("web", None, b"\xff\x00")],
    # gzip of a line, fixed: Python's versions compress it to different bytes.
    [("web", None, bytes.fromhex(GZIP)), ("web", None, lines(20)[0])],
    # The key table has more than 127 entries: indices of two bytes.
    [(f"key-{number}", None, line) for number, line in enumerate(lines(*range(21, 221)))],
]


def encoded(data):
    return data if isinstance(data, bytes) else data.encode()


for aggregate in AGGREGATES:
    aggregator = RecordAggregator()
    for partition_key, explicit_hash_key, data in aggregate:
        assert aggregator.add_user_record(partition_key, data, explicit_hash_key) is None, "it does not fit"
    partition_key, explicit_hash_key, record = aggregator.clear_and_get().get_contents()
    user_records = [
        {"partition_key": key, "explicit_hash_key": hash_key, "data": encoded(data).hex()}
        for key, hash_key, data in aggregate
    ]
    json.dump({"partition_key": partition_key, "record": record.hex(), "user_records": user_records}, sys.stdout)
    print()
