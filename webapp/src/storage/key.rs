//! The names of stored files, the same in every storage.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::random::RandomId;

/// The name of a stored file. Its text has no `/` and no second dot, so it cannot leave its folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureKey {
    id: RandomId,
    rendition: Rendition,
}

/// Which file of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rendition {
    /// The picture itself; what a row of the table names.
    Full,
    /// For a page that shows one picture.
    Large,
    /// For the grid.
    Small,
    /// The large one as WebP. Also of a picture that needs no smaller JPEG for it.
    LargeWebp,
    /// The small one as WebP.
    SmallWebp,
}

impl Rendition {
    /// All of them; not every picture has all.
    pub(crate) const ALL: [Self; 5] = [Self::Full, Self::Large, Self::Small, Self::LargeWebp, Self::SmallWebp];

    /// What is behind the picture's id in the name of the file.
    fn suffix(self) -> &'static str {
        match self {
            Self::Full => ".jpg",
            Self::Large => "-large.jpg",
            Self::Small => "-small.jpg",
            Self::LargeWebp => "-large.webp",
            Self::SmallWebp => "-small.webp",
        }
    }

    /// Whether it is WebP; all others are JPEG.
    pub(crate) fn is_webp(self) -> bool {
        matches!(self, Self::LargeWebp | Self::SmallWebp)
    }
}

impl PictureKey {
    /// A name for a new picture.
    pub(crate) fn new() -> Self {
        Self { id: RandomId::new(), rendition: Rendition::Full }
    }

    /// Reads what `Display` writes, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, suffix) = text.split_at_checked(RandomId::CHARS)?;
        let rendition = Rendition::ALL.into_iter().find(|rendition| rendition.suffix() == suffix)?;
        Some(Self { id: RandomId::parse(id)?, rendition })
    }

    /// What the file is, for browsers.
    pub(crate) fn content_type(self) -> &'static str {
        if self.rendition.is_webp() { "image/webp" } else { "image/jpeg" }
    }

    /// The name of another file of the same picture.
    pub(crate) fn with(self, rendition: Rendition) -> Self {
        Self { rendition, ..self }
    }
}

impl Display for PictureKey {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.id, self.rendition.suffix())
    }
}

impl fmt::Debug for PictureKey {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, formatter)
    }
}

impl Serialize for PictureKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PictureKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a picture's key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_cannot_leave_the_folder() {
        let key = PictureKey::new();
        for rendition in Rendition::ALL {
            let key = key.with(rendition);
            assert_eq!(PictureKey::parse(&key.to_string()), Some(key));
        }
        for text in [
            "",
            ".jpg",
            "-small.jpg",
            "../../etc/passwd.jpg",
            "00000000000000000000000000000000.png",
            "00000000000000000000000000000000.webp",
            "00000000000000000000000000000000-small",
            "0000000000000000000000000000000é.jpg",
        ] {
            assert_eq!(PictureKey::parse(text), None, "{text}");
        }
    }
}
