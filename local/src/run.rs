//! Start, show, stop in order, say what happened.

use std::time::Duration;

use anyhow::{Context, Result};
use config::exit::Failure;
use serde::de::DeserializeOwned;
use tokio::{task::JoinHandle, time::interval};
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::Arguments,
    child::Child,
    component::Name,
    counts::{Answer, Totals},
    folders::Folders,
    pipeline::{self, Urls},
    ports,
    screen::{Screen, say},
    stream,
    summary::{self, Analytics, Summary},
    visitor,
};

/// Rows of live counts asked for; analytics gives no more.
const ROWS: usize = 10_000;
/// How long the last lines may take to the next station after the one before it stopped.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Runs everything until Ctrl-C or until a component dies.
///
/// # Errors
/// When a port or the folder cannot be used (exit code 2), or a component fails (1).
#[tokio::main]
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let stop = config::stop::on_signal().context("cannot listen for signals")?;
    let folders = Folders::open(&arguments.folder())?;
    ports::check(&arguments)?;
    let logged_before = folders.count_logged_lines()?;
    let mut children = Vec::new();
    let outcome = live(&arguments, &folders, &mut children, &stop).await;
    if let Err(error) = &outcome {
        say(&format!("a component failed ({}); stopping the others", first_line(error)));
    }
    let stopped = end(&folders, &mut children, outcome, logged_before).await?;
    if let Some(summary) = stopped {
        say(&summary.to_string());
    }
    Ok(())
}

/// Starts everything and shows the table. Gives the URLs once `stop` comes, or None when it came during the start.
async fn live(
    arguments: &Arguments,
    folders: &Folders,
    children: &mut Vec<Child>,
    stop: &CancellationToken,
) -> Result<Option<Urls>> {
    say(&format!("starting; everything is kept in {}", folders.root().display()));
    let Some(urls) = stop.run_until_cancelled(pipeline::start(arguments, folders, children)).await.transpose()? else {
        return Ok(None);
    };
    introduce(&urls, folders, arguments);
    let visitor = (!arguments.no_traffic).then(|| tokio::spawn(visitor::visit(urls.site.clone(), stop.child_token())));
    let watched = watch(&urls, children, stop).await;
    finish_visitor(visitor, watched.is_err()).await;
    watched.map(|()| Some(urls))
}

fn introduce(urls: &Urls, folders: &Folders, arguments: &Arguments) {
    let root = folders.root().display();
    say(&format!(
        "\n  photo site    {}\n  live counts   {}/request_counts?limit=10\n  stream        {} (any access key; region us-east-1)\n\n  \
         access log    {}\n  settings      {}\n  logs          {root}/logs\n  stream's disk {root}/stream (24 hours, at most {} MiB there and in memory)\n",
        urls.site,
        urls.api,
        urls.stream,
        folders.access_log().display(),
        folders.agent_json().display(),
        stream::DEFAULT_MAX_BYTES >> 20,
    ));
    if !arguments.no_traffic {
        say(visitor::NOTICE);
    }
    say("Ctrl-C stops everything in order.\n");
}

/// Shows the table until `stop`.
async fn watch(urls: &Urls, children: &mut [Child], stop: &CancellationToken) -> Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().context("cannot make an HTTP client")?;
    let (mut screen, mut totals) = (Screen::new(), Totals::default());
    let mut ticks = interval(Duration::from_secs(1));
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        children.iter_mut().try_for_each(Child::check)?;
        let url = format!("{}/request_counts?limit={ROWS}", urls.api);
        // A miss is not shown: the next look follows in a second, and a dead component is found above.
        if let Ok(answer) = get::<Answer>(&client, &url).await {
            screen.show(&totals.view(&answer.rows, ROWS));
        }
    }
    Ok(())
}

async fn finish_visitor(visitor: Option<JoinHandle<visitor::Report>>, at_once: bool) {
    let Some(visitor) = visitor else { return };
    if at_once {
        visitor.abort();
    }
    if let Ok(report) = visitor.await {
        say(&format!("the visitor made {} requests, {} of them without an answer", report.requests, report.failures));
    }
}

/// Stops the components in the order of the data, so that each drains into the next.
async fn end(
    folders: &Folders,
    children: &mut [Child],
    outcome: Result<Option<Urls>>,
    logged_before: u64,
) -> Result<Option<Summary>> {
    let client = reqwest::Client::new();
    let urls = outcome.as_ref().ok().cloned().flatten();
    let mut result = outcome.map(drop);
    let mut summary = Summary::default();
    for name in [Name::Webapp, Name::Agent, Name::Analytics, Name::Stream] {
        if name == Name::Agent {
            summary.logged = folders.count_logged_lines()?.saturating_sub(logged_before); // the photo site has stopped
        }
        if let Some(urls) = &urls {
            ask(name, urls, &client, &mut summary).await;
        }
        let Some(child) = children.iter_mut().find(|child| child.name() == name) else { continue };
        let stopped = child.stop().await;
        if name == Name::Agent {
            summary.shipped = summary::shipped(&child.log_lines());
        }
        result = result.and(stopped); // the first failure is the one to report
    }
    result?;
    Ok(urls.map(|_| summary))
}

/// Before a component stops: lets the one before it finish its work, and asks for counts.
async fn ask(name: Name, urls: &Urls, client: &reqwest::Client, summary: &mut Summary) {
    match name {
        Name::Agent => arrived(client, &format!("{}/stats", urls.stream), summary.logged).await,
        Name::Analytics => {
            let Ok(stream) = get::<stream::Counts>(client, &format!("{}/stats", urls.stream)).await else { return };
            summary.stream = Some(stream);
            summary.analytics = counted(client, &format!("{}/stats", urls.api), stream.restored + stream.put).await;
        }
        Name::Stream | Name::Webapp => {}
    }
}

/// Waits until the stream took as many records as lines were logged, or a while: a stop of the agent finishes the
/// lines it has read, and the last ones were written a moment ago.
async fn arrived(client: &reqwest::Client, url: &str, logged: u64) {
    let all_arrived = async {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            if get::<stream::Counts>(client, url).await.is_ok_and(|stream| stream.put >= logged) {
                return;
            }
        }
    };
    tokio::time::timeout(CATCH_UP, all_arrived).await.ok(); // what is missing then is in the summary
}

/// What analytics counted, once it has read `records`, or after a while.
async fn counted(client: &reqwest::Client, url: &str, records: u64) -> Option<Analytics> {
    let mut last = None;
    let caught_up = async {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            last = get::<Analytics>(client, url).await.ok().or(last);
            if last.is_some_and(|analytics| analytics.records >= records) {
                return;
            }
        }
    };
    tokio::time::timeout(CATCH_UP, caught_up).await.ok(); // what is missing then is in the summary
    last
}

async fn get<T: DeserializeOwned>(client: &reqwest::Client, url: &str) -> Result<T> {
    Ok(client.get(url).send().await?.error_for_status()?.json().await?)
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}
