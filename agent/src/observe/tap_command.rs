//! `agent tap`: a sample of the records in flight, as the running agent sends them.

use std::io::{self, BufRead as _, ErrorKind, Write as _};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use config::exit::Failure;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    address::Found,
    client, running,
    status_command::{self, Place},
    tap_stream::DEFAULT_RATE,
};
use crate::cli;

/// Flags of `agent tap`.
#[derive(Debug, Args)]
#[command(after_help = "Each line is a JSON object with flow, file, offset and data (data_base64 when it is not UTF-8), as it is
sent: converted, and without what privacy rules take out. {\"lost\": n} says that reading was too slow for n samples.
Nothing is taken away from the flow, and it never waits for the reader.

Examples:
  agent tap                                       ten records a second of all flows, until Ctrl-C
  agent tap --count 5                             the next five
  agent tap --flow kinesis:s:/var/log/app.log --rate 100 | jq -r .data")]
pub(crate) struct TapOptions {
    #[command(flatten)]
    settings: cli::Options,
    /// Only the flow with this id, as `agent status` prints it
    #[arg(long, value_name = "ID")]
    flow: Option<String>,
    /// End after so many records
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Records a second at most
    #[arg(long, value_name = "N", default_value_t = DEFAULT_RATE, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
}

/// Runs the command until the count is reached, the agent stops, or nobody reads its output any more.
///
/// # Errors
/// When no agent can be asked.
pub(crate) fn run(options: &TapOptions) -> Result<(), Failure> {
    let settings = options.settings.settings()?;
    if let Some(Found::Unreadable(path)) = running(&settings.state_directory) {
        return Err(Failure::Run(status_command::unreadable(&path))); // the token is in it
    }
    let Place::At(address, token) = status_command::place(&settings)? else {
        return Err(Failure::Run(anyhow!("no agent is running with state directory {}", settings.state_directory.display())));
    };
    let mut path = format!("/tap?rate={}", options.rate);
    path.extend(options.count.map(|count| format!("&count={count}")));
    path.extend(options.flow.as_ref().map(|flow| format!("&flow={}", utf8_percent_encode(flow, NON_ALPHANUMERIC))));
    let answer = client::get(address, &path, token.as_deref())?;
    Ok(print(answer)?)
}

fn print(answer: client::Answer) -> Result<()> {
    if answer.status != 200 {
        bail!("{}", answer.text()?.trim_end());
    }
    let (mut body, mut out, mut line) = (answer.patiently()?, io::stdout().lock(), Vec::new());
    loop {
        line.clear();
        if body.read_until(b'\n', &mut line).context("the agent broke off")? == 0 {
            return Ok(());
        }
        match out.write_all(&line).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()), // head has enough
            written => written.context("cannot write")?,
        }
    }
}
