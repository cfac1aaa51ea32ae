"""The part of Kinesis that the boot test needs: accepts PutRecords and appends every record's data to a file.

Prints its port. The file is written before the answer, so what the agent thinks was accepted is in it.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

ARRIVED, LOCK = open(sys.argv[1], "ab", buffering=0), Lock()


class Kinesis(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.headers.get("X-Amz-Target", "").endswith(".PutRecords"):
            return self.answer(400, {"__type": "UnknownOperationException"})
        data = b"".join(base64.b64decode(record["Data"]) for record in body["Records"])
        with LOCK:
            ARRIVED.write(data)
        results = [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"}] * len(body["Records"])
        return self.answer(200, {"FailedRecordCount": 0, "Records": results})

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Kinesis)
print(SERVER.server_port, flush=True)
SERVER.serve_forever()
