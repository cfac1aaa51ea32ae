//! Privacy of lines in the common and combined log formats.
//!
//! Their fields have the names of `LOGTOJSON`, and those of the JSON log where these differ. A field that must not be
//! seen becomes `-`, as Apache writes one that is not there, so that readers still find the others in their places.
//! What follows the known fields is free text: addresses in it are treated as the client's is, and where only some
//! fields are kept it goes.

use super::{NOTHING, PrivacyNow, Treatment, Unreadable, address};

/// Each field with its other names.
const HOST: &[&str] = &["host", "client_ip", "client", "clientip", "remote_addr"];
const IDENT: &[&str] = &["ident"];
const USER: &[&str] = &["authuser", "user"];
const TIME: &[&str] = &["datetime", "request_time"];
const REQUEST: &[&str] = &["request"];
const STATUS: &[&str] = &["response", "status"];
const BYTES: &[&str] = &["bytes", "size"];
const REFERER: &[&str] = &["referer", "referrer"];
const AGENT: &[&str] = &["agent", "userAgent", "user_agent"];

pub(super) fn apply(privacy: &PrivacyNow<'_>, line: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let text = str::from_utf8(line).map_err(|_| Unreadable)?;
    let body = text.trim_end_matches(['\n', '\r']);
    let fields = Fields::parse(body).ok_or(Unreadable)?;
    let mut writer = Writer { privacy, out: String::with_capacity(text.len() + 32) };
    writer.plain(HOST, fields.host);
    for (names, value) in [(IDENT, fields.ident), (USER, fields.user)] {
        writer.out.push(' ');
        writer.plain(names, value);
    }
    writer.out.push_str(" [");
    writer.plain(TIME, fields.time);
    writer.out.push(']');
    writer.quoted(REQUEST, fields.request);
    for (names, value) in [(STATUS, fields.status), (BYTES, fields.bytes)] {
        writer.out.push(' ');
        writer.plain(names, value);
    }
    if let Some((referer, agent)) = fields.combined {
        writer.quoted(REFERER, referer);
        writer.quoted(AGENT, agent);
    }
    writer.rest(fields.rest);
    writer.out.push_str(&text[body.len()..]);
    Ok(writer.out.into_bytes())
}

struct Writer<'a> {
    privacy: &'a PrivacyNow<'a>,
    out: String,
}

impl Writer<'_> {
    fn plain(&mut self, names: &[&str], value: &str) {
        let seen = self.seen(names, value);
        self.out.push_str(&seen);
    }

    fn quoted(&mut self, names: &[&str], value: &str) {
        let seen = self.seen(names, value);
        self.out.extend([" \"", &seen, "\""]);
    }

    fn seen(&self, names: &[&str], value: &str) -> String {
        if self.is_dropped(names) {
            return NOTHING.to_owned();
        }
        self.privacy.treated(self.treatment(names), value).unwrap_or_else(|| value.to_owned())
    }

    fn is_dropped(&self, names: &[&str]) -> bool {
        let privacy = self.privacy.privacy;
        let is_in = |known: &[String]| names.iter().any(|name| known.iter().any(|known| known == name));
        is_in(&privacy.drop_fields) || privacy.keep_fields.as_deref().is_some_and(|kept| !is_in(kept))
    }

    fn treatment(&self, names: &[&str]) -> Treatment {
        let privacy = self.privacy.privacy;
        let is_hashed = names.iter().any(|name| privacy.treatment(name).is_hashed);
        let has_query = privacy.query.is_some() && (names == REQUEST || names == REFERER);
        Treatment { is_address: privacy.mask.is_some() && names == HOST, is_hashed, has_query }
    }

    fn rest(&mut self, rest: &str) {
        if self.privacy.privacy.keep_fields.is_some() || rest.is_empty() {
            return;
        }
        let treatment = self.treatment(HOST);
        let is_dropped = self.is_dropped(HOST);
        let replace = |address: &str| match is_dropped {
            true => NOTHING.to_owned(),
            false => self.privacy.treated(treatment, address).unwrap_or_else(|| address.to_owned()),
        };
        let seen = address::replace_all(rest, replace);
        let Some(query) = &self.privacy.privacy.query else { return self.out.push_str(&seen) };
        // A referer alone, say: each text in quotes for itself.
        for (index, part) in seen.split('"').enumerate() {
            self.out.push_str(if index > 0 { "\"" } else { "" });
            self.out.push_str(&query.scrub(part).unwrap_or_else(|| part.to_owned()));
        }
    }
}

/// The fields of a line as they stand in it.
struct Fields<'t> {
    host: &'t str,
    ident: &'t str,
    user: &'t str,
    time: &'t str,
    request: &'t str,
    status: &'t str,
    bytes: &'t str,
    /// Referer and agent.
    combined: Option<(&'t str, &'t str)>,
    /// What follows.
    rest: &'t str,
}

impl<'t> Fields<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let (host, rest) = line.split_once(' ')?;
        let (ident, rest) = rest.split_once(' ')?;
        let (user, rest) = rest.split_once(" [")?;
        let (time, rest) = rest.split_once("] ")?;
        let (request, rest) = quoted(rest)?;
        let (status, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
        let (bytes, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
        let is_number = |text: &str| text == NOTHING || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        let is_word = |text: &str| !text.is_empty() && !text.contains(['"', '[', '{']);
        let has_time = time.len() < 40 && time.contains('/') && time.contains(':');
        if !(is_word(host) && is_word(ident) && is_word(user) && has_time && is_number(status) && is_number(bytes)) {
            return None;
        }
        let combined = rest.strip_prefix(' ').and_then(quoted).and_then(|(referer, rest)| {
            let (agent, rest) = quoted(rest.strip_prefix(' ')?)?;
            Some((referer, agent, rest))
        });
        let (combined, rest) = match combined {
            Some((referer, agent, rest)) => (Some((referer, agent)), rest),
            None => (None, rest),
        };
        Some(Self { host, ident, user, time, request, status, bytes, combined, rest })
    }
}

/// A text in quotes, which may hold `\"`, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    })?;
    Some((&inside[..end], &inside[end + 1..]))
}
