//! Privacy of JSON objects. What is not changed stays byte for byte, Apache's escapes included.
//!
//! A name holds at any depth: a field that must not be seen is found wherever it stands, however its name is escaped,
//! and as often as it is there. Only the list of fields that are kept is about the outermost object.

use std::ops::Range;

use super::{NOTHING, PrivacyNow, Treatment, Unreadable};
use crate::transform::{
    json::write_string,
    json_scan::{self, Kind, Member, NotAnObject},
};

/// The line as it may be seen, and whether a field of it was to be masked or hashed.
pub(super) fn apply(privacy: &PrivacyNow<'_>, line: &[u8]) -> Result<(Vec<u8>, bool), Unreadable> {
    let mut out = Vec::with_capacity(line.len() + 32);
    let from = line.iter().position(|byte| *byte == b'{').ok_or(Unreadable)?;
    out.extend_from_slice(&line[..from]);
    let mut writer = Writer { privacy, line, out, has_named: false };
    let end = writer.object(from, Treatment::default(), true)?;
    if !line[end..].iter().all(u8::is_ascii_whitespace) {
        return Err(Unreadable); // what stands behind the object was not looked at
    }
    writer.out.extend_from_slice(&line[end..]);
    Ok((writer.out, writer.has_named))
}

impl From<NotAnObject> for Unreadable {
    fn from(_: NotAnObject) -> Self {
        Self
    }
}

struct Writer<'a> {
    privacy: &'a PrivacyNow<'a>,
    line: &'a [u8],
    out: Vec<u8>,
    has_named: bool,
}

impl Writer<'_> {
    /// Writes the object that begins at `from`. Returns where it ends.
    fn object(&mut self, from: usize, inherited: Treatment, is_outermost: bool) -> Result<usize, Unreadable> {
        let (members, end) = json_scan::members(self.line, from)?;
        self.out.push(b'{');
        let (mut before, mut is_first) = (from + 1, true);
        for member in members {
            let after = member.value.end;
            let name = json_scan::unescape(&self.line[member.key.clone()]);
            if !self.privacy.privacy.drops(&name, is_outermost) {
                let treatment = self.privacy.privacy.treatment(&name).with(inherited);
                self.has_named |= treatment.is_address || treatment.is_hashed;
                self.member(before, &member, is_first, treatment)?;
                is_first = false;
            }
            before = after;
        }
        self.out.extend_from_slice(&self.line[before..end]);
        Ok(end)
    }

    /// Writes a member with what stands before it.
    fn member(&mut self, before: usize, member: &Member, is_first: bool, treatment: Treatment) -> Result<(), Unreadable> {
        let between = &self.line[before..member.value.start];
        let comma = between.iter().position(|byte| *byte == b',').filter(|comma| *comma < member.key.start - 1 - before);
        self.out.extend_from_slice(match comma {
            Some(comma) if is_first => &between[comma + 1..], // those before it were dropped
            _ => between,
        });
        self.value(&member.value, member.kind, treatment)
    }

    fn value(&mut self, value: &Range<usize>, kind: Kind, treatment: Treatment) -> Result<(), Unreadable> {
        let raw = &self.line[value.clone()];
        match kind {
            Kind::Text if treatment != Treatment::default() => {
                let text = json_scan::unescape(&raw[1..raw.len() - 1]);
                match self.privacy.treated(treatment, &text) {
                    Some(treated) => write_string(&mut self.out, &treated),
                    None => self.out.extend_from_slice(raw),
                }
            }
            // An address as a number is one all the same.
            Kind::Bare if (treatment.is_address || treatment.is_hashed) && raw != b"null" => {
                let text = if treatment.is_address { NOTHING.into() } else { String::from_utf8_lossy(raw) };
                let treated = self.privacy.treated(Treatment { is_address: false, ..treatment }, &text);
                write_string(&mut self.out, treated.as_deref().unwrap_or(&text));
            }
            Kind::Object => {
                self.object(value.start, treatment, false)?;
            }
            Kind::Array => self.array(value.start, treatment)?,
            Kind::Text | Kind::Bare => self.out.extend_from_slice(raw),
        }
        Ok(())
    }

    fn array(&mut self, from: usize, treatment: Treatment) -> Result<(), Unreadable> {
        let (elements, end) = json_scan::elements(self.line, from)?;
        let mut before = from;
        for (value, kind) in elements {
            self.out.extend_from_slice(&self.line[before..value.start]);
            self.value(&value, kind, treatment)?;
            before = value.end;
        }
        self.out.extend_from_slice(&self.line[before..end]);
        Ok(())
    }
}

impl Treatment {
    /// What is done to everything inside of a field is done to this one too.
    fn with(self, outer: Self) -> Self {
        Self {
            is_address: self.is_address || outer.is_address,
            is_hashed: self.is_hashed || outer.is_hashed,
            has_query: self.has_query || outer.has_query,
        }
    }
}
