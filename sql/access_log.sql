-- The access log's schema: one JSON object per line, ten keys, this order, every value a string.
--
-- It is the tutorial's Apache LogFormat. webapp writes it, agent ships it, analytics reads it; this file is what the
-- three agree on: tests compare it with the line that webapp writes and with the fields that analytics knows. On AWS
-- these are the columns and mappings that "Discover schema" finds for the source stream web-access-log.
--
-- Lines are written when a response is finished, so request_time is not in order. A header that was not sent is "-".
CREATE OR REPLACE STREAM "SOURCE_SQL_STREAM_001" (
    "request_time"    VARCHAR(28),   -- $.request_time     when the request was received: [21/Nov/2026:02:08:50 +0000]
    "client_ip"       VARCHAR(45),   -- $.client_ip        the peer: IPv4, or IPv6 without brackets
    "client_hostname" VARCHAR(255),  -- $.client_hostname  the Host header, lower case, no port; not the client's name
    "server_ip"       VARCHAR(45),   -- $.server_ip        the node's own address
    "request"         VARCHAR(8192), -- $.request          the path, percent-decoded, without query
    "http_method"     VARCHAR(64),   -- $.http_method      as sent: GET, POST, or any other token
    "status"          VARCHAR(3),    -- $.status           the final status; 499: the client left before an answer
    "size"            VARCHAR(20),   -- $.size             bytes of body sent, 0 for none
    "userAgent"       VARCHAR(8192), -- $.userAgent        as sent
    "referer"         VARCHAR(8192)  -- $.referer          as sent
);
