-- Whether a photo's versions are there as WebP, too: those from before have JPEG only.
ALTER TABLE photos ADD COLUMN webp TINYINT(1) NOT NULL DEFAULT 0;
