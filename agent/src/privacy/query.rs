//! Takes parameters out of paths, URLs and request lines.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::NOTHING;

/// Which parameters are not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Query {
    /// All of them, and the fragment.
    All,
    /// Those of these names, in lower case.
    Named(Vec<String>),
}

impl Query {
    /// The text without them; nothing when there are none in it.
    pub(super) fn scrub(&self, text: &str) -> Option<String> {
        match self {
            Self::All => {
                let query = text.find(['?', '#'])?;
                Some([&text[..query], &text[end_of_target(text, query)..]].concat())
            }
            Self::Named(names) => {
                // A session's id may stand in the path too, behind a semicolon.
                let from = text.find(['?', '#', ';'])?;
                let to = end_of_target(text, from);
                let (mut out, mut has_changed) = (text[..from].to_owned(), false);
                for parameter in text[from..to].split_inclusive(['?', '&', ';', '#']) {
                    let (parameter, separator) = parameter.split_at(parameter.trim_end_matches(['?', '&', ';', '#']).len());
                    match parameter.split_once('=').filter(|(name, _)| is_named(name, names)) {
                        Some((name, _)) => {
                            out.extend([name, "=", NOTHING]);
                            has_changed = true;
                        }
                        None => out.push_str(parameter),
                    }
                    out.push_str(separator);
                }
                has_changed.then(|| out + &text[to..])
            }
        }
    }
}

/// Where a request line's target ends; blanks that were not encoded are a part of it.
fn end_of_target(text: &str, from: usize) -> usize {
    text[from..].rfind(" HTTP/").map_or(text.len(), |end| from + end)
}

fn is_named(name: &str, names: &[String]) -> bool {
    let decoded: Cow<'_, str> = percent_decode_str(name).decode_utf8_lossy();
    let decoded = decoded.to_lowercase();
    names.contains(&decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<String> {
        Query::Named(vec!["token".to_owned(), "jsessionid".to_owned()]).scrub(text)
    }

    #[test]
    fn all_parameters_go_and_the_rest_stays() {
        let all = |text| Query::All.scrub(text);
        assert_eq!(all("GET /a?b=c&d HTTP/1.1").as_deref(), Some("GET /a HTTP/1.1"));
        assert_eq!(all("/a?b= c d").as_deref(), Some("/a"));
        assert_eq!(all("https://h/p?x#y").as_deref(), Some("https://h/p"));
        assert_eq!(all("https://h/p#access_token=y").as_deref(), Some("https://h/p"));
        assert_eq!(all("GET /a?b=c d HTTP/1.1").as_deref(), Some("GET /a HTTP/1.1"), "a blank does not end it");
        assert_eq!(all("/a"), None);
    }

    #[test]
    fn named_parameters_lose_their_values() {
        assert_eq!(named("GET /a?x=1&token=s3 HTTP/1.1").as_deref(), Some("GET /a?x=1&token=- HTTP/1.1"));
        assert_eq!(named("/a?TOKEN=s&tok%65n=t;token=u#token=v").as_deref(), Some("/a?TOKEN=-&tok%65n=-;token=-#token=-"));
        assert_eq!(named("/a;jsessionid=F00?x").as_deref(), Some("/a;jsessionid=-?x"));
        assert_eq!(named("/a?tokens=1&x=token"), None);
        assert_eq!(named("/token=1"), None);
    }
}
