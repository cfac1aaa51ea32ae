//! Writes a large access log: `generate-log LINES FILE [SEED]`.

use std::{
    fs::File,
    io::{BufWriter, Write},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use tests::generator::Generator;

/// Lines formatted between two writes; keeps the buffer small.
const LINES_PER_WRITE: u64 = 1_000;

#[expect(clippy::print_stderr, reason = "the last words of a program are for the person who started it")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match generate(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn generate(arguments: &[String]) -> Result<()> {
    let (lines, path, seed) = match arguments {
        [lines, path] => (lines, path, "42"),
        [lines, path, seed] => (lines, path, seed.as_str()),
        _ => bail!("usage: generate-log LINES FILE [SEED]"),
    };
    let lines: u64 = lines.parse().with_context(|| format!("LINES must be a number, not {lines:?}"))?;
    let seed = seed.parse().with_context(|| format!("SEED must be a number, not {seed:?}"))?;
    let mut file = BufWriter::new(File::create(path).with_context(|| format!("cannot create {path}"))?);
    let mut generator = Generator::new(seed);
    let mut buffer = Vec::new();
    for line in 1..=lines {
        generator.write_line(&mut buffer);
        if line % LINES_PER_WRITE == 0 || line == lines {
            file.write_all(&buffer).with_context(|| format!("cannot write {path}"))?;
            buffer.clear();
        }
    }
    file.flush().with_context(|| format!("cannot write {path}"))
}
