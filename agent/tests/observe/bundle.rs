//! `agent support-bundle`.

use std::{fs::File, io::Read as _};

use tests::stream::{Options, TestStream};

use crate::rig::{DEADLINE, Rig};

/// All names and all bytes of an archive.
fn unpack(path: &std::path::Path) -> (Vec<String>, Vec<u8>) {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(path).unwrap()));
    let (mut names, mut bytes) = (Vec::new(), Vec::new());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        names.push(entry.path().unwrap().to_string_lossy().into_owned());
        entry.read_to_end(&mut bytes).unwrap();
    }
    (names, bytes)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_bundle_has_what_a_case_needs_and_neither_secrets_nor_lines() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(log.path(), "signing with planted-secret-key failed for AKIAPLANTEDPLANTED00\n").unwrap();
    let rig = Rig::new(stream.endpoint());
    rig.write("a line that is private\n");
    let agent = rig.start().await;
    rig.wait_for_number("records_sent_total", 1).await;
    let token: serde_json::Value = serde_json::from_slice(&std::fs::read(rig.path("state/status.json")).unwrap()).unwrap();

    // Keys that make the settings wrong or right: the bundle comes either way.
    let rig = rig
        .set("log.file", log.path().to_string_lossy().into_owned())
        .set("awsAccessKeyId", "AKIAPLANTEDPLANTED00")
        .set("awsSecretAccessKey", "planted-secret-key")
        .set("httpsProxy", "http://user:planted-password@proxy:3128");
    let bundle = rig.run(&["support-bundle", "-o", "bundle.tar.gz"]).await.success().unwrap();
    let (names, bytes) = unpack(&rig.path("bundle.tar.gz"));
    for name in ["README.txt", "settings/agent.json", "settings/effective.txt", "versions.txt", "system.txt", "service.txt"] {
        assert!(names.iter().any(|known| known == name) && bundle.output.contains(name), "{name} in {names:?}");
    }
    let secrets = ["planted-secret-key", "AKIAPLANTEDPLANTED00", "planted-password", "a line that is private"];
    for secret in secrets.into_iter().chain([token["token"].as_str().unwrap()]) {
        assert!(!contains(&bytes, secret), "{secret} is in the bundle");
    }
    assert!(contains(&bytes, "signing with [removed] failed for [removed]"));
    agent.terminate(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn with_good_settings_a_bundle_has_the_status_the_checkpoints_and_the_folders() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint());
    rig.write("a line that is private\n");
    let agent = rig.start().await;
    rig.wait_for_number("records_sent_total", 1).await;
    rig.run(&["support-bundle", "-o", "bundle.tar.gz"]).await.success().unwrap();
    let (names, bytes) = unpack(&rig.path("bundle.tar.gz"));
    assert!(names.iter().any(|name| name.starts_with("checkpoints/kinesis_")), "{names:?}");
    assert!(names.iter().any(|name| name == "folders.txt") && !names.iter().any(|name| name == "checkpoints/status.json"));
    assert!(contains(&bytes, "\"records_sent_total\":1") && contains(&bytes, "app.log"));
    assert!(!contains(&bytes, "a line that is private"));
    let again = rig.run(&["support-bundle", "-o", "bundle.tar.gz"]).await;
    assert!(again.status.code() == Some(1) && again.output.contains("name another file with -o"), "{}", again.output);
    drop(agent);
}
