//! What the program makes of a file: `agent parse`, `agent cost`, and aggregates that others can read; and packed records

mod aggregate;
mod cost;
mod parse;
mod shipping;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a log and settings whose one flow reads it.
struct World {
    folder: TempDir,
}

impl World {
    /// `more` follows the flow's required keys.
    fn new(log: &[u8], more: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::write(world.log(), log).expect("the log is written");
        let settings = format!(r#"{{"flows": [{{"filePattern": "{}", "kinesisStream": "s"{more}}}]}}"#, world.log().display());
        std::fs::write(world.folder.path().join("agent.json"), settings).expect("the settings are written");
        world
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("a.log")
    }

    fn run(&self, command: &str, more: &[&str]) -> Output {
        let settings = self.folder.path().join("agent.json");
        run(&[&[command.as_ref(), self.log().as_path(), Path::new("-c"), &settings], &paths(more)[..]].concat())
    }

    /// The objects `--json` prints.
    fn json(&self, command: &str, more: &[&str]) -> Vec<Value> {
        let output = self.run(command, &[&["--json"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a JSON object"))
            .collect()
    }
}

fn paths<'a>(texts: &'a [&'a str]) -> Vec<&'a Path> {
    texts.iter().map(Path::new).collect()
}

fn run(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_agent")).args(arguments).output().expect("the program starts")
}
