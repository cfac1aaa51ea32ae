//! Checks of what the packages bring: their flags run, and every command has its page.

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use config::generate::{self, ManOptions};

use crate::cli::{Arguments, Command};
use crate::settings::Settings;

/// The flags behind a name in a file of settings.
fn flags(file: &str, begin: &str) -> Vec<String> {
    let text = std::fs::read_to_string(::tests::data::repository(file)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(begin)).unwrap();
    let example = ::tests::data::repository("sql/requests_per_client.sql").display().to_string();
    let flag = |flag: &str| if flag == "/etc/weir-analytics/program.sql" { example.clone() } else { flag.to_owned() };
    line.trim_end_matches('"').split_whitespace().map(flag).collect()
}

#[test]
fn the_flags_of_the_service_run() {
    let places = [
        ("config/systemd/weir-analytics.env", "ANALYTICS_ARGS="),
        ("config/systemd/weir-analytics.service", "Environment=\"ANALYTICS_ARGS="),
    ];
    for (file, begin) in places {
        let words = ["analytics".to_owned(), "run".to_owned()].into_iter().chain(flags(file, begin));
        let Some(Command::Run(run)) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("{file}: another command")
        };
        let Ok(settings) = Settings::running(*run) else { panic!("{file} does not run") };
        assert!(settings.checkpoint.is_some(), "{file}");
    }
}

#[test]
fn there_is_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let command = ManOptions::augment_args(clap::Command::new("test").no_binary_name(true));
    let options = command.get_matches_from([OsString::from("--out"), folder.path().into()]);
    generate::man(&ManOptions::from_arg_matches(&options).unwrap(), crate::PROGRAM, Arguments::command()).unwrap();
    let mut pages: Vec<String> =
        folder.path().read_dir().unwrap().map(|page| page.unwrap().file_name().to_string_lossy().into_owned()).collect();
    pages.sort();
    let expected =
        ["-check", "-deregister", "-discover", "-explain", "-run", ""].map(|command| format!("weir-analytics{command}.1"));
    assert_eq!(pages, expected);
}
