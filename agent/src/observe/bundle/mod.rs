//! `agent support-bundle`: one archive with what a support case needs, and without secrets or log lines.
//!
//! Every text goes through the [`Redactor`] before it is packed. Contents of log files and of the dead-letter file are
//! never read; of the watched folders only names, sizes and modes are.

mod facts;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;
use config::exit::Failure;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value};

use super::{
    host,
    redact::{Redactor, is_secret},
    saved,
    status_command::{self, Place},
};
use crate::{check, cli, settings, settings::Settings};

/// Flags of `agent support-bundle`.
#[derive(Debug, Args)]
#[command(
    after_help = "The archive has the settings and checkpoints, what the running agent says, its last log lines, versions, the state
of the service, and names, sizes and modes of the files in the watched folders. Secrets are removed: values of keys that
name one, AWS key ids, passwords in URLs. No line of a watched log is in it. Have a look before you send it:
tar -tzf FILE."
)]
pub(crate) struct BundleOptions {
    #[command(flatten)]
    settings: cli::Options,
    /// Where to write the archive; by default weir-agent-support-<host>-<time>.tar.gz in this folder
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The parts of an archive: name and text.
type Parts = Vec<(String, String)>;

/// Runs the command. Wrong settings are no reason to end: then the bundle says what is wrong with them.
///
/// # Errors
/// When the archive cannot be written.
pub(crate) fn command(options: &BundleOptions) -> Result<(), Failure> {
    let name = || {
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        PathBuf::from(format!("weir-agent-support-{}-{time}.tar.gz", host::name()))
    };
    let path = options.output.clone().unwrap_or_else(name);
    let parts = parts(&options.settings);
    write(&path, &parts).with_context(|| format!("cannot write {}; name another file with -o", path.display()))?;
    println!("{}", path.display());
    for (name, text) in &parts {
        println!("  {name:<40} {:>9} bytes", text.len());
    }
    Ok(())
}

fn parts(options: &cli::Options) -> Parts {
    let mut redactor = Redactor::default();
    for (name, value) in std::env::vars_os() {
        if is_secret(&name.to_string_lossy()) {
            redactor.learn(&value.to_string_lossy());
        }
    }
    // All files of settings first: their secrets must be known before anything else is packed.
    let (raw, mut parts) = settings_files(options.path(), &mut redactor);
    match options.settings() {
        Ok(settings) => {
            parts.push(("settings/effective.txt".to_owned(), effective(&settings)));
            parts.push(status(&settings));
            parts.extend(facts::checkpoints(&settings.state_directory));
            parts.extend(facts::folders(&settings));
        }
        Err(Failure::Usage(error) | Failure::Run(error)) => {
            parts.push(("settings/effective.txt".to_owned(), format!("the settings are wrong: {error:#}\n")));
        }
    }
    parts.extend(facts::logs(&raw));
    parts.extend(facts::machine());
    for (_, text) in &mut parts {
        *text = redactor.text(text);
    }
    parts.insert(0, ("README.txt".to_owned(), readme(&parts)));
    parts
}

fn readme(parts: &Parts) -> String {
    let names: String = parts.iter().map(|(name, text)| format!("  {name} ({} bytes)\n", text.len())).collect();
    format!(
        "Support bundle of weir agent {}, made {} on {}.\n\nSecrets are removed, and no line of a watched log is in it.\n\nContents:\n{names}",
        env!("CARGO_PKG_VERSION"),
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ"),
        host::name()
    )
}

/// The settings as they are written, but for secrets and comments (which may hold some). Also the main file's object.
fn settings_files(main: &Path, redactor: &mut Redactor) -> (Map<String, Value>, Parts) {
    let mut texts = vec![(main.to_owned(), "settings/agent.json".to_owned())];
    let folders = [Path::new("/etc/aws-kinesis/agent.d").to_owned(), main.with_file_name("agent.d")];
    for file in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let name = format!("settings/agent.d/{}", file.file_name().to_string_lossy());
        if !texts.iter().any(|(_, known)| *known == name) {
            texts.push((file.path(), name));
        }
    }
    let mut raw = Map::new();
    let mut parts = Parts::new();
    for (path, name) in texts {
        let object = fs::read(&path).map_err(anyhow::Error::from).and_then(|text| Ok(settings::object_of(&text)?));
        let text = match object {
            Ok(object) => {
                if path == main {
                    raw.clone_from(&object);
                }
                let mut value = Value::Object(object);
                redactor.json(&mut value);
                format!("{value:#}\n")
            }
            // Its text is not packed: without its structure nobody can say what is a secret.
            Err(error) => format!("cannot read {}: {error:#}\n", path.display()),
        };
        parts.push((name, text));
    }
    (raw, parts)
}

fn effective(settings: &Settings) -> String {
    let warnings: String = settings.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    format!("{}{warnings}", check::describe(settings))
}

/// What the running agent says; without one, what the checkpoints say.
fn status(settings: &Settings) -> (String, String) {
    let text = match status_command::place(settings) {
        Ok(Place::At(address, _)) => status_command::fetch(address).unwrap_or_else(|error| format!("{error:#}\n")),
        Ok(Place::Nowhere) => serde_json::json!({"running": false, "flows": saved::read(settings)}).to_string(),
        Err(error) => format!("{error:#}\n"),
    };
    ("status.json".to_owned(), text)
}

fn write(path: &Path, parts: &Parts) -> io::Result<()> {
    // Names and paths are nobody else's business.
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, text) in parts {
        add(&mut archive, name, text)?;
    }
    let file: File = archive.into_inner()?.finish()?;
    file.sync_all()
}

fn add(archive: &mut tar::Builder<impl Write>, name: &str, text: &str) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0));
    archive.append_data(&mut header, name, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_settings_go_from_every_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.json");
        let text = r#"{ // the password is hunter22
            "awsSecretAccessKey": "planted/secret", "httpsProxy": "http://me:planted-too@proxy:1", "flows": []}"#;
        fs::write(&path, text).unwrap();
        let mut redactor = Redactor::default();
        let (raw, parts) = settings_files(&path, &mut redactor);
        assert_eq!(raw["awsSecretAccessKey"], "planted/secret");
        let packed: String = parts.iter().map(|(_, text)| redactor.text(text)).collect();
        assert!(packed.contains("httpsProxy") && packed.contains("[removed]@proxy:1"), "{packed}");
        for secret in ["planted/secret", "planted-too", "hunter22"] {
            assert!(!packed.contains(secret), "{packed}");
        }
    }

    #[test]
    fn settings_that_are_no_json_are_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.json");
        fs::write(&path, "{\"awsSecretAccessKey\": \"planted").unwrap();
        let (_, parts) = settings_files(&path, &mut Redactor::default());
        assert!(parts[0].1.starts_with("cannot read ") && !parts[0].1.contains("planted"), "{parts:?}");
    }

    #[test]
    fn an_archive_holds_its_parts_and_is_never_written_over_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.tar.gz");
        write(&path, &vec![("a/b.txt".to_owned(), "text".to_owned())]).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&path).unwrap()));
        let names: Vec<_> = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, [Path::new("a/b.txt")]);
        assert_eq!(write(&path, &Parts::new()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
