-- As sqlite/, with MySQL's types. utf8mb4: every character, not only those of three bytes. _bin: names are compared as they
-- are written, as in SQLite.
CREATE TABLE photos (
    id           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username     VARCHAR(255) NOT NULL,
    -- The name the file had where it came from, for the picture's alternative text.
    filename     VARCHAR(255) NOT NULL,
    -- UTC: every session of ours sets its time zone.
    timeline     DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- Where the picture is kept, and under which key there; per row, so that a site can change its storage.
    storage      VARCHAR(16) NOT NULL,
    storage_key  VARCHAR(64) NOT NULL UNIQUE,
    size_bytes   BIGINT NOT NULL DEFAULT 0,
    width        BIGINT NOT NULL DEFAULT 0,
    height       BIGINT NOT NULL DEFAULT 0,
    alt_text     VARCHAR(2000) NOT NULL DEFAULT '',
    -- SHA-256 of the file as it was uploaded, in hex; empty for pictures that were not.
    content_hash VARCHAR(64) NOT NULL DEFAULT '',
    -- When the owner deleted it, UTC. It can be restored until its files are removed.
    deleted_at   DATETIME NULL,
    -- Which row of the original it was imported from; importing twice adds nothing.
    import_key   VARCHAR(300) NULL UNIQUE,
    -- Without it the front page sorts the whole table: 386 ms of work for a million rows instead of 0.3 ms.
    KEY photos_newest (timeline, id),
    KEY photos_owned (username, content_hash),
    KEY photos_stored (storage, id),
    KEY photos_deleted (deleted_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- People with a password. The demo mode needs none of them.
CREATE TABLE accounts (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username      VARCHAR(255) NOT NULL,
    -- The name in lower case: "Ann" and "ann" must not be two people.
    name_key      VARCHAR(255) NOT NULL UNIQUE,
    -- Argon2id with its parameters and salt, in PHC form.
    password_hash VARCHAR(255) NOT NULL,
    created       DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What is done once for a site, by whichever node is first.
CREATE TABLE done_once (
    what VARCHAR(64) NOT NULL PRIMARY KEY,
    at   DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
