//! A checkpoint for a program, and whether one that was read is for it.

use anyhow::{Result, bail};

use super::{Checkpoint, Draft, Head, Identity, SinkMarks, format, versions};
use crate::engine::EngineImage;

/// The bytes of a draft.
///
/// # Errors
/// When a table has no form in bytes.
pub(super) fn write(out: impl std::io::Write, identity: &Identity, draft: Draft, sinks: SinkMarks) -> Result<()> {
    let Draft { number, marks, image } = draft;
    let head = Head {
        written_by: versions(),
        identity: identity.clone(),
        number,
        marks: marks.into_iter().collect(),
        sinks,
        facts: image.facts,
        tables: image.tables.len(),
    };
    format::write(out, &head, &image.tables)
}

/// What `bytes` hold. `name` is where they come from.
///
/// # Errors
/// When they are damaged, or of another program, input or version; each says what can be done.
pub(super) fn read(name: &str, bytes: &[u8], identity: &Identity) -> Result<Checkpoint> {
    let choice = "use another place, or --fresh to forget its open windows and positions";
    let (head, tables) = match format::read(bytes) {
        Ok(read) => read,
        Err(error) => bail!("cannot go on from {name}: {error}; {choice}"),
    };
    if head.written_by != versions() {
        bail!("{name} was written by {}, and this is {}; run that version to go on, {choice}", head.written_by, versions());
    }
    if head.identity.program != identity.program {
        bail!("{name} belongs to another program: its pumps, windows or columns differ; run that program, {choice}");
    }
    if head.identity.inputs != identity.inputs {
        let list = |inputs: &[String]| inputs.join(", ");
        let (old, new) = (list(&head.identity.inputs), list(&identity.inputs));
        bail!("{name} stands in another input: in {old}, not in {new}; read that, {choice}");
    }
    let image = EngineImage { facts: head.facts, tables };
    Ok(Checkpoint { number: head.number, marks: head.marks.into_iter().collect(), sinks: head.sinks, image })
}
