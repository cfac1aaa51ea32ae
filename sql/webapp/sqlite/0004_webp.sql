-- Whether a photo's versions are there as WebP, too: those from before have JPEG only.
ALTER TABLE photos ADD COLUMN webp INTEGER NOT NULL DEFAULT 0;
