-- People with a password. The demo mode needs none of them.
CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT NOT NULL,
    -- The name in lower case: "Ann" and "ann" must not be two people.
    name_key      TEXT NOT NULL UNIQUE,
    -- Argon2id with its parameters and salt, in PHC form.
    password_hash TEXT NOT NULL,
    created       TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- What is done once for a site, by whichever node is first.
CREATE TABLE done_once (
    what TEXT NOT NULL PRIMARY KEY,
    at   TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
