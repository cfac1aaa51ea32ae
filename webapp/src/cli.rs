//! The command line: what `webapp` can be told to do.

use std::{
    ffi::OsString,
    io::{Write, stdout},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Args, CommandFactory, Parser, Subcommand};
use config::exit::Failure;
use config::systemd::{self, NotifyState};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    access_log::AccessLog,
    admin,
    doctor::{self, DoctorOptions},
    generate::{self, CompletionsOptions, ManOptions},
    import::{OldRows, import},
    init::{self, InitOptions},
    pages,
    records::Records,
    server,
    settings::{Overrides, Settings, SignInMode},
    site::Site,
    storage::{Kind, Storage, migrate::migrate},
    tend,
};

/// Pictures that are still being decoded after the grace period are not worth waiting for.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

const EXAMPLE: &str = "Example:
  webapp run --listen 127.0.0.1:8080 --data-dir photos
  webapp init --out webapp.toml
  webapp doctor --config webapp.toml";

#[derive(Debug, Parser)]
#[command(name = "webapp", version, about = "The photo-sharing site that writes the access log", after_help = EXAMPLE)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the site until SIGTERM or SIGINT; SIGHUP reopens the access log
    Run(RunArguments),
    /// Write a first settings file
    Init(InitOptions),
    /// Look for what is wrong: folders, ports, stores, and whether the agent may read the access log
    Doctor(DoctorOptions),
    /// Bring rows and pictures of the original PHP site here; can be run again
    ImportOriginal(ImportArguments),
    /// Move pictures from one storage to another, while the site runs; can be stopped and started again
    MigrateStorage(MigrateArguments),
    /// Check a settings file without starting anything
    Check {
        /// Settings file to check
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Write the manual pages
    Man(ManOptions),
    /// Write completions for a shell
    Completions(CompletionsOptions),
}

/// The command line as data, for manual pages and completions.
pub(crate) fn definition() -> clap::Command {
    Arguments::command()
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Its dump, such as web_demo.sql; the table upload_images of the configured database if not given
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
    /// Folder with its picture files, such as /var/www/html/web-demo/uploads
    #[arg(long, value_name = "DIR")]
    pictures: PathBuf,
    #[command(flatten)]
    site: RunArguments,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// Storage the pictures are in
    #[arg(long, value_name = "KIND")]
    from: Kind,
    /// Storage they go to
    #[arg(long, value_name = "KIND")]
    to: Kind,
    /// Remove each picture's files where they were, after it was moved
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    site: RunArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Settings file; without one, everything has its default
    #[arg(long, env = "WEBAPP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

/// Reads the command line. Help and mistakes are printed; their exit code is returned as the error.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => Ok(arguments.command),
        Err(message) => {
            let _ = message.print(); // nowhere left to report to
            Err(if message.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS })
        }
    }
}

/// Does what the command says, and returns when it is done.
pub(crate) fn execute(command: Command) -> Result<(), Failure> {
    match command {
        Command::Check { config } => {
            load(Some(config.clone()), Overrides::default())?;
            Ok(say(&format!("{}: settings are valid", config.display()))?)
        }
        Command::Init(options) => Ok(say(&init::init(&options)?)?),
        Command::Doctor(options) => doctor::doctor(&options),
        Command::Man(options) => Ok(generate::man(&options, definition())?),
        Command::Completions(options) => {
            generate::completions(&options, definition());
            Ok(())
        }
        Command::ImportOriginal(arguments) => {
            let settings = load(arguments.site.config, arguments.site.overrides)?;
            let rows = arguments.dump.map_or(OldRows::Table, OldRows::Dump);
            Ok(import_original(settings, &rows, &arguments.pictures)?)
        }
        Command::MigrateStorage(arguments) => {
            let settings = load(arguments.site.config, arguments.site.overrides)?;
            Ok(migrate_storage(settings, arguments.from, arguments.to, arguments.remove)?)
        }
        Command::Run(arguments) => Ok(run(load(arguments.config, arguments.overrides)?)?),
    }
}

pub(crate) fn load(file: Option<PathBuf>, overrides: Overrides) -> Result<Settings, Failure> {
    Settings::load(file.as_deref(), overrides).map_err(|problems| Failure::usage(problems.to_string()))
}

fn run(settings: Settings) -> Result<()> {
    let file = &settings.access_log_file;
    let (log, log_thread) = AccessLog::start(file, settings.access_log.queue_lines, settings.log_style()).with_context(|| {
        format!("cannot open access log {}; check the folder's permissions, or choose another with --access-log", file.display())
    })?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    // On a thread of the pool: connections that are accepted there are served there, and nobody has to be woken for them.
    let serving = runtime.spawn(serve(settings, log));
    let outcome = runtime.block_on(serving).context("the site panicked").flatten();
    runtime.shutdown_timeout(LEFT_BEHIND);
    drop(log_thread); // after everything that may log a request
    outcome
}

fn import_original(mut settings: Settings, rows: &OldRows, pictures: &Path) -> Result<()> {
    settings.demo.pictures = false; // the site gets pictures of its own
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let done = runtime.block_on(async {
        let site = Site::open(settings).await?;
        let done = import(&site, rows, pictures).await;
        site.close().await;
        done
    })?;
    say(&format!("{} pictures imported, {} were here already, {} failed", done.pictures, done.known, done.failed))?;
    if done.failed > 0 {
        bail!("{} pictures were not imported; the log says why, and running this again tries them again", done.failed);
    }
    Ok(())
}

fn migrate_storage(settings: Settings, from: Kind, to: Kind, remove: bool) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let moved = runtime.block_on(async {
        let records = Records::open(&settings.database, &settings.data_dir).await?;
        let storage = Storage::open(&settings.storage, &settings.s3, &settings.data_dir).await?;
        let moved = migrate(&records, &storage, from, to, remove).await;
        records.close().await;
        moved
    })?;
    say(&format!("{} pictures moved from {} to {}, {} failed", moved.pictures, from.as_str(), to.as_str(), moved.failed))?;
    if moved.failed > 0 {
        bail!("{} pictures were not moved; the log says why, and running this again tries them again", moved.failed);
    }
    Ok(())
}

async fn serve(settings: Settings, log: AccessLog) -> Result<()> {
    let stop = config::stop::on_signal().context("cannot wait for signals")?;
    let mut hangups = config::stop::on_hangup().context("cannot wait for signals")?;
    let listener = config::listen::open(settings.listen, "--listen").await?;
    let address = listener.local_addr().context("cannot read the listener's address")?;
    report_bounds(&settings, address);
    let site = Site::open(settings).await?;
    let admin = match site.settings.admin.listen {
        Some(address) => Some(config::listen::on_loopback(address, "--admin-listen").await?),
        None => None,
    };
    if let Some(address) = admin.as_ref().and_then(|admin| admin.local_addr().ok()) {
        say(&format!("admin on http://{address}/metrics"))?;
    }
    say(&format!("listening on http://{address}{}", pages::PAGE))?;
    systemd::tell(&[NotifyState::Ready]);

    let router = pages::router(site.clone(), log.clone());
    let close = CancellationToken::new(); // after the time in which balancers learn that we stop
    let reopening = async {
        while hangups.recv().await.is_some() {
            log.reopen();
        }
    };
    let tending = async {
        tokio::join!(drain(&site, stop, &close), reopening, tend::tend(&site));
    };
    let administering = async {
        match admin {
            Some(listener) => admin::serve(listener, site.clone(), log.clone(), close.clone()).await,
            None => std::future::pending().await,
        }
        std::future::pending().await
    };
    tokio::select! {
        () = server::serve(listener, router, log.clone(), &site.settings.server, close.clone()) => {}
        () = tending => {}
        () = administering => {}
    }
    site.close().await;
    info!("stopped");
    Ok(())
}

/// Waits for the stop signal, says no to balancers for as long as they need to look away, then closes the door.
async fn drain(site: &Site, stop: CancellationToken, close: &CancellationToken) {
    stop.cancelled().await;
    site.is_stopping.store(true, Ordering::Relaxed);
    systemd::tell(&[NotifyState::Stopping]);
    tokio::time::sleep(site.settings.server.drain).await;
    close.cancel();
}

fn report_bounds(settings: &Settings, address: SocketAddr) {
    info!(
        connections = settings.server.max_connections,
        sessions = settings.sessions.max,
        upload_mib = settings.upload.max_mib,
        receivers = settings.upload.receivers,
        decoders = settings.upload.decoders,
        access_log_lines = settings.access_log.queue_lines,
        access_log = %settings.access_log_file.display(),
        "starting, within these bounds"
    );
    if !address.ip().is_loopback() && settings.accounts.mode == SignInMode::Demo {
        warn!(%address, "the demo login has no password: whoever reaches this address can use any name; [accounts] mode = \"accounts\" asks for one");
    }
}

/// One line for programs that read our stdout.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to stdout")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn parse_words(words: &[&str]) -> Result<Command, ExitCode> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn flags_become_overrides() {
        let command = parse_words(&["webapp", "run", "--listen", "127.0.0.1:0", "--data-dir", "d", "--access-log", "a.log"]);
        let Ok(Command::Run(arguments)) = command else { panic!("not run") };
        assert_eq!(arguments.overrides.listen, Some(SocketAddr::from(([127, 0, 0, 1], 0))));
        assert_eq!(arguments.overrides.data_dir, Some("d".into()));
        assert_eq!(arguments.overrides.access_log, Some("a.log".into()));
    }

    #[test]
    fn a_wrong_settings_file_is_the_users_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("webapp.toml");
        fs::write(&config, "[page]\npictures = 0\n").unwrap();
        let refused = execute(Command::Check { config: config.clone() });
        assert!(matches!(refused, Err(Failure::Usage(error)) if error.to_string() == "page.pictures is 0; allowed: 1 to 500"));
        fs::write(&config, "[page]\npictures = 12\n").unwrap();
        assert!(execute(Command::Check { config }).is_ok());
    }
}
