//! analytics over a whole file.

use tests::{binaries, data, process::command};

#[tokio::test]
async fn replaying_the_log_gives_the_expected_rows_byte_for_byte() {
    let mut analytics = command(binaries::path("analytics").unwrap());
    analytics.args(["--window", "10s", "--format", "csv", "--input"]).arg(data::apache_json("access.log.gz"));
    let replayed = analytics.output().await.unwrap();
    let summary = String::from_utf8(replayed.stderr).unwrap();
    assert!(replayed.status.success(), "{summary}");

    let csv = String::from_utf8(replayed.stdout).unwrap();
    let counts = csv.lines().skip(1).map(|row| row.rsplit(',').next().unwrap().parse::<u64>().unwrap());
    assert_eq!((counts.clone().count(), counts.sum::<u64>()), (1_340, 41_294));
    assert!(csv == data::expected_csv().unwrap(), "the rows differ from access.expected-10s.csv");
    assert!(summary.contains("210 lines were not legal JSON"), "{summary}");
    assert!(!summary.contains("bad lines"), "{summary}");
}
