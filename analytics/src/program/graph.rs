//! Puts the nodes of a program into the order of flow.

use super::catalog::is_input_name;
use super::{Node, Program, Stream, StreamId, StreamKind, quoted};
use crate::sql::{Place, SqlError};

/// A program of these streams and nodes. `fed` names streams that have a source, whatever their names look like.
///
/// # Errors
/// When pumps feed each other in a circle, or a stream that is read has neither a pump nor an input behind it.
pub(super) fn link(mut streams: Vec<Stream>, nodes: Vec<Node>, fed: &[String]) -> Result<Program, Vec<SqlError>> {
    if nodes.is_empty() {
        let message = "this program has no pump, so it computes nothing";
        return Err(vec![SqlError::new(Place { line: 1, column: 1 }, message)]);
    }
    let inputs = inputs(&mut streams, &nodes, fed).map_err(|error| vec![error])?;
    no_metadata_inside(&streams)?;
    let nodes = in_order(nodes).map_err(|error| vec![error])?;
    Ok(Program { streams, nodes, inputs })
}

/// Only an input has metadata columns: what a pump writes has the columns that are declared.
fn no_metadata_inside(streams: &[Stream]) -> Result<(), Vec<SqlError>> {
    let inside = streams.iter().filter(|stream| stream.kind != StreamKind::Input);
    let error = |stream: &Stream| {
        let (metadata, place) = stream.metadata.first_key_value()?;
        let message = format!("{} is a column of an input, and {} is none", metadata.name(), quoted(&stream.name));
        Some(SqlError::new(*place, message).help("select it into a column of its own in the pump that reads the input"))
    };
    let errors: Vec<SqlError> = inside.filter_map(error).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The streams whose rows come from outside: those that are read and never written. When there are several, each has to
/// be named as the service names inputs, or to be fed: another one is rather a slip of the pen.
fn inputs(streams: &mut [Stream], nodes: &[Node], fed: &[String]) -> Result<Vec<StreamId>, SqlError> {
    let is_read = |id: StreamId| nodes.iter().any(|node| node.input == id);
    let is_written = |id: StreamId| nodes.iter().any(|node| node.output == id);
    let sources: Vec<StreamId> = (0..streams.len()).map(StreamId).filter(|id| is_read(*id) && !is_written(*id)).collect();
    if sources.is_empty() {
        return Err(circle(nodes));
    }
    let is_meant = |stream: &Stream| {
        let is_fed = fed.iter().any(|name| name.eq_ignore_ascii_case(&stream.name));
        is_fed || stream.kind == StreamKind::Input || is_input_name(&stream.name)
    };
    let empty = sources.iter().map(|id| &streams[id.0]).find(|stream| !is_meant(stream));
    if let Some(stream) = empty.filter(|_| sources.len() > 1) {
        return Err(SqlError::new(stream.place, format!("{} is read, but nothing writes into it", quoted(&stream.name))).help(
            format!("a pump inserts into it, or it is an input, with a source of its own: --stream {}=SOURCE", stream.name),
        ));
    }
    for id in &sources {
        streams[id.0].kind = StreamKind::Input;
    }
    Ok(sources)
}

/// Nodes after those that write what they read.
fn in_order(mut waiting: Vec<Node>) -> Result<Vec<Node>, SqlError> {
    let mut ordered: Vec<Node> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|node| !waiting.iter().any(|writer| writer.output == node.input));
        match ready {
            Some(index) => ordered.push(waiting.remove(index)),
            None => return Err(circle(&waiting)),
        }
    }
    Ok(ordered)
}

fn circle(nodes: &[Node]) -> SqlError {
    let place = nodes.first().map(|node| node.place).unwrap_or_default();
    let mut pumps: Vec<String> = nodes.iter().map(|node| quoted(&node.pump)).collect();
    pumps.dedup();
    SqlError::new(place, format!("these pumps feed each other in a circle: {}", pumps.join(", ")))
}
