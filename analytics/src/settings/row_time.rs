//! What the time of a row is, and which flags about the input go together.

use std::path::Path;

use config::exit::Failure;

use crate::cli::Flags;
use crate::program::RowTime;
use crate::source::Input;

/// What the time of a row is, for each input; checks that the flags go together.
pub(super) fn row_times(flags: &Flags, sources: &[Vec<Input>], arrivals: Option<&Path>) -> Result<Vec<RowTime>, Failure> {
    let is_stream = |sources: &Vec<Input>| matches!(sources.as_slice(), [Input::Kinesis(_)]);
    let default = |sources| if is_stream(sources) || arrivals.is_some() { RowTime::Arrival } else { RowTime::Event };
    let row_times: Vec<RowTime> = sources.iter().map(|sources| flags.rowtime.unwrap_or(default(sources))).collect();
    let (has_stream, has_file) = (sources.iter().any(is_stream), !sources.iter().all(is_stream));
    if sources.len() > 1 && (arrivals.is_some() || flags.speed.is_some()) {
        return Err(Failure::usage("--arrival and --speed are for a program with one input; this one has several"));
    }
    if has_file && row_times.contains(&RowTime::Arrival) && arrivals.is_none() && flags.rowtime == Some(RowTime::Arrival) {
        return Err(Failure::usage(
            "--rowtime arrival needs a stream, or a file of arrival times with run --arrival; the lines of a file have none, so use event or clock",
        ));
    }
    if arrivals.is_some() && (has_stream || row_times != [RowTime::Arrival]) {
        return Err(Failure::usage(
            "--arrival gives the lines of a file their arrival times; it goes with --rowtime arrival and files",
        ));
    }
    if !has_stream && flags.efo.is_some() {
        return Err(Failure::usage("--efo reads a stream with enhanced fan-out; the input is a file"));
    }
    follow(flags, sources, arrivals)?;
    if !has_stream && !flags.follow && flags.until_idle.is_some() {
        return Err(Failure::usage("--until-idle needs a stream, or --follow; a file is read to its end anyway"));
    }
    if flags.speed.is_some() && (has_stream || row_times.contains(&RowTime::Clock) || flags.checkpoint.is_some()) {
        return Err(Failure::usage(
            "--speed replays files at the pace of their rows' times: not a stream, not --rowtime clock, and without --checkpoint",
        ));
    }
    Ok(row_times)
}

/// A file is followed alone: what stands behind it in a list would never be read.
fn follow(flags: &Flags, sources: &[Vec<Input>], arrivals: Option<&Path>) -> Result<(), Failure> {
    if !flags.follow {
        return Ok(());
    }
    let is_possible = |sources: &Vec<Input>| matches!(sources.as_slice(), [Input::File(_) | Input::Kinesis(_)]);
    let has_file = sources.iter().any(|sources| matches!(sources.as_slice(), [Input::File(_)]));
    if !has_file || !sources.iter().all(is_possible) {
        return Err(Failure::usage("--follow goes on at the end of one file; a list of files and standard input have an end"));
    }
    if arrivals.is_some() || flags.speed.is_some() {
        return Err(Failure::usage("--follow reads lines as they come; --arrival and --speed are for a replay"));
    }
    Ok(())
}
