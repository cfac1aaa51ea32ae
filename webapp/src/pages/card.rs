//! A picture as pages show it.

use super::PHOTOS;
use crate::{
    picture::{LARGE, SMALL, Version, has_two_sizes},
    records::Record,
    site::Site,
    storage::Rendition,
};

/// One picture, ready for a template.
pub(super) struct Card {
    pub(super) page_url: String,
    pub(super) full_url: String,
    pub(super) small_url: String,
    /// Smaller files of the same picture with their widths, for the browser to choose from.
    pub(super) srcset: String,
    /// The same as WebP; empty for a picture from before there was any.
    pub(super) webp_srcset: String,
    /// Best for a page that shows one picture.
    pub(super) large_url: String,
    pub(super) alt: String,
    pub(super) title: String,
    pub(super) owner: String,
    /// For programs, then for people.
    pub(super) datetime: String,
    pub(super) time: String,
    /// Width and height of the picture in its full size; 4 to 3 when they are not known.
    pub(super) width: i64,
    pub(super) height: i64,
    pub(super) is_size_known: bool,
}

impl Card {
    pub(super) async fn new(site: &Site, record: &Record) -> Self {
        let url = async |rendition| site.storage.url(record.storage, record.key.with(rendition)).await;
        let (full_url, small_url) = (url(Rendition::Full).await, url(Rendition::Small).await);
        let size = known_size(record);
        let has_large = size.is_some_and(|size| LARGE.dimensions_of(size) != size);
        let large_url = if has_large { url(Rendition::Large).await } else { full_url.clone() };
        let two_sizes = size.filter(|size| has_two_sizes(*size));
        let choice = |small_url: &str, large_url: &str| {
            let width = |version: Version| two_sizes.map(|size| version.dimensions_of(size).0);
            let (Some(small), Some(large)) = (width(SMALL), width(LARGE)) else { return None };
            Some(format!("{small_url} {small}w, {large_url} {large}w"))
        };
        let srcset = choice(&small_url, &large_url).unwrap_or_default();
        let webp_srcset = if record.webp {
            let small_url = url(Rendition::SmallWebp).await;
            let large_url = if two_sizes.is_some() { url(Rendition::LargeWebp).await } else { String::new() };
            choice(&small_url, &large_url).unwrap_or(small_url)
        } else {
            String::new()
        };
        let title = record.filename.rsplit_once('.').map_or(record.filename.as_str(), |(stem, _extension)| stem).to_owned();
        Self {
            page_url: format!("{PHOTOS}{}", record.id),
            full_url,
            small_url,
            srcset,
            webp_srcset,
            large_url,
            alt: alternative(&record.alt_text, &record.username, &title),
            title: if record.alt_text.is_empty() { title } else { record.alt_text.clone() },
            owner: record.username.clone(),
            datetime: record.uploaded.to_string(),
            time: record.uploaded.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            width: if size.is_some() { record.width } else { 4 },
            height: if size.is_some() { record.height } else { 3 },
            is_size_known: size.is_some(),
        }
    }

    pub(super) async fn all(site: &Site, records: &[Record]) -> Vec<Self> {
        let mut cards = Vec::with_capacity(records.len());
        for record in records {
            cards.push(Self::new(site, record).await);
        }
        cards
    }
}

fn known_size(record: &Record) -> Option<(u32, u32)> {
    let side = |side: i64| u32::try_from(side).ok().filter(|side| *side > 0);
    Some((side(record.width)?, side(record.height)?))
}

/// What somebody who cannot see the picture is told: the owner's words, or else whose it is and its name.
fn alternative(words: &str, owner: &str, title: &str) -> String {
    match (words.is_empty(), title.is_empty()) {
        (false, _) => words.to_owned(),
        (true, false) => format!("Photo by {owner}: {title}"),
        (true, true) => format!("Photo by {owner}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owners_words_come_before_names() {
        assert_eq!(alternative("A heron", "Ann", "img_1"), "A heron");
        assert_eq!(alternative("", "Ann", "img_1"), "Photo by Ann: img_1");
        assert_eq!(alternative("", "Ann", ""), "Photo by Ann");
    }
}
