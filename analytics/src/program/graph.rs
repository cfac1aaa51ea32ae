//! Puts the nodes of a program into the order of flow.

use super::{Node, Program, Stream, StreamId, StreamKind, quoted};
use crate::sql::{Place, SqlError};

/// A program of these streams and nodes.
///
/// # Errors
/// When pumps feed each other in a circle, or a stream that is read has neither a pump nor an input behind it.
pub(super) fn link(mut streams: Vec<Stream>, nodes: Vec<Node>) -> Result<Program, Vec<SqlError>> {
    if nodes.is_empty() {
        let message = "this program has no pump, so it computes nothing";
        return Err(vec![SqlError::new(Place { line: 1, column: 1 }, message)]);
    }
    let input = input(&mut streams, &nodes).map_err(|error| vec![error])?;
    no_metadata_inside(&streams)?;
    let nodes = in_order(nodes).map_err(|error| vec![error])?;
    Ok(Program { streams, nodes, input })
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

/// The stream whose rows come from outside: the one that is named so, or the one that is read and never written.
fn input(streams: &mut [Stream], nodes: &[Node]) -> Result<StreamId, SqlError> {
    let is_read = |id: StreamId| nodes.iter().any(|node| node.input == id);
    let is_written = |id: StreamId| nodes.iter().any(|node| node.output == id);
    let ids = (0..streams.len()).map(StreamId);
    let mut sources: Vec<StreamId> = ids.filter(|id| is_read(*id) && !is_written(*id)).collect();
    match (sources.pop(), sources.pop()) {
        (Some(only), None) => {
            streams[only.0].kind = StreamKind::Input;
            Ok(only)
        }
        (Some(second), Some(first)) => {
            let named = |id: &&StreamId| streams[id.0].kind != StreamKind::Input;
            let empty = [first, second].iter().find(named).copied().unwrap_or(second);
            let stream = &streams[empty.0];
            Err(SqlError::new(stream.place, format!("{} is read, but nothing writes into it", quoted(&stream.name)))
                .help("a pump inserts into it, or it is the one input of the program"))
        }
        _ => Err(circle(nodes)),
    }
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
