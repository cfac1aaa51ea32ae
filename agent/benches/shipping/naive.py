"""What one would write first: tails a file from its start, 500 records per request, a random partition key.

naive.py FILE ENDPOINT
"""

import sys
import time
import uuid

import boto3

path, endpoint = sys.argv[1:]
kinesis = boto3.client(
    "kinesis",
    region_name="us-east-1",
    endpoint_url=endpoint,
    aws_access_key_id="id",
    aws_secret_access_key="secret",
)


def send(records):
    while records:
        answer = kinesis.put_records(StreamName="web-access-log", Records=records)
        if answer["FailedRecordCount"] == 0:
            return
        records = [record for record, result in zip(records, answer["Records"]) if "ErrorCode" in result]
        time.sleep(0.1)


records, sent, partial = [], time.time(), b""
with open(path, "rb") as log:
    while True:
        line = log.readline()
        if not line:
            if time.time() - sent >= 1:
                send(records)
                records, sent = [], time.time()
            time.sleep(0.1)
            continue
        partial += line
        if not partial.endswith(b"\n"):
            continue
        records.append({"Data": partial, "PartitionKey": uuid.uuid4().hex})
        partial = b""
        if len(records) == 500:
            send(records)
            records, sent = [], time.time()
