//! The answer to `/tap`: one JSON object a line, as long as the reader stays.
//!
//! `{"flow": .., "file": .., "offset": .., "data": ..}`, with `data_base64` instead of `data` where the bytes are not
//! UTF-8, and `{"lost": n}` before a record when the reader was too slow for n of them.

use std::{convert::Infallible, time::Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{Stream, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    flows::Flows,
    tap::{Sample, WAITING},
};

/// Samples a second unless the reader asks for another rate.
pub(crate) const DEFAULT_RATE: u32 = 10;

/// The query of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    /// Only this flow.
    flow: Option<String>,
    /// Samples a second, of all flows together.
    rate: Option<u32>,
    /// Samples after which the answer ends.
    count: Option<u64>,
}

/// What an open answer holds.
struct Open {
    samples: mpsc::Receiver<(usize, Sample)>,
    ids: Vec<String>,
    left: u64,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// Opens the taps of the flows that are wanted.
///
/// # Errors
/// When there is no such flow; the text names those that are.
pub(crate) fn open(
    flows: &Flows,
    wanted: &Wanted,
    stop: CancellationToken,
    permit: OwnedSemaphorePermit,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, String> {
    let all = flows.all();
    let chosen: Vec<_> = all.iter().filter(|flow| wanted.flow.as_ref().is_none_or(|id| *id == flow.id)).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = all.iter().map(|flow| flow.id.as_str()).collect();
        return Err(format!("there is no flow {}; there are: {}", wanted.flow.as_deref().unwrap_or("at all"), known.join(", ")));
    }
    let (to_reader, samples) = mpsc::channel(WAITING);
    let rate = wanted.rate.unwrap_or(DEFAULT_RATE).max(1).div_ceil(u32::try_from(chosen.len()).unwrap_or(u32::MAX));
    for (index, flow) in chosen.iter().enumerate() {
        flow.counters.live.tap.open(to_reader.clone(), index, rate, Instant::now());
    }
    let ids = chosen.iter().map(|flow| flow.id.clone()).collect();
    let open = Open { samples, ids, left: wanted.count.unwrap_or(u64::MAX), stop, _permit: permit };
    Ok(stream::unfold(open, next))
}

async fn next(mut open: Open) -> Option<(Result<Bytes, Infallible>, Open)> {
    if open.left == 0 {
        return None;
    }
    let (flow, sample) = tokio::select! {
        sample = open.samples.recv() => sample?,
        () = open.stop.cancelled() => return None,
    };
    open.left -= 1;
    let flow = open.ids.get(flow).map(String::as_str).unwrap_or_default();
    Some((Ok(lines(flow, &sample).into()), open))
}

fn lines(flow: &str, sample: &Sample) -> String {
    let mut line = json!({"flow": flow, "file": sample.file, "offset": sample.offset});
    match std::str::from_utf8(&sample.data) {
        Ok(text) => line["data"] = Value::from(text),
        Err(_) => line["data_base64"] = Value::from(BASE64_STANDARD.encode(&sample.data)),
    }
    let lost = if sample.lost > 0 { format!("{}\n", json!({"lost": sample.lost})) } else { String::new() };
    format!("{lost}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_says_where_it_is_from_and_what_was_lost_before_it() {
        let sample = Sample { file: "a.log".to_owned(), offset: 7, data: Bytes::from_static(b"x\n"), lost: 0 };
        assert_eq!(lines("f", &sample), "{\"flow\":\"f\",\"file\":\"a.log\",\"offset\":7,\"data\":\"x\\n\"}\n");
        let sample = Sample { data: Bytes::from_static(b"\xff"), lost: 3, ..sample };
        assert_eq!(
            lines("f", &sample),
            "{\"lost\":3}\n{\"flow\":\"f\",\"file\":\"a.log\",\"offset\":7,\"data_base64\":\"/w==\"}\n"
        );
    }
}
