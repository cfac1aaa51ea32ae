//! Several lines in one record: their positions, and what becomes of them when it is refused.

use super::*;

/// Ships `count` lines of two files in turn with these settings, and returns what is left.
async fn ship_packed(server: &FakeKinesis, more: &str, count: u64) -> (Outcome, Vec<u64>) {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::open(folder.path()).unwrap();
    let settings = flow(folder.path(), "a.log", &format!(r#", "maxBufferSizeRecords": 2{more}"#));
    let (store, counters) = (directory.store(&settings.id), Arc::new(Counters::default()));
    let letters = DeadLetters::new(directory.dead_letters());
    let positions = Positions::new(settings.id.clone());
    let destination = server.destination();
    let shipper = Shipper::new(settings, destination, positions, store.clone(), letters, counters.clone());
    let (sender, incoming) = mpsc::channel(2);
    let shipping = tokio::spawn(shipper.run(incoming, CancellationToken::new(), Duration::from_secs(5)));
    for (id, name) in [(0, "a.log"), (1, "b.log")] {
        let node = Node { device: 1, inode: id.into() };
        let facts = FileFacts {
            name: name.to_owned(),
            node,
            fingerprint: Fingerprint::default(),
            rotated: false,
            copied_to: None,
            gone: None,
        };
        sender.send(FromTailer::File { id: FileId(id), facts, position: 0 }).await.unwrap();
    }
    sender.send(FromTailer::Baseline).await.unwrap();
    for line in 0..count {
        let (file, end) = (FileId(line as u32 % 2), 9 * (line / 2 + 1));
        let record =
            Record { data: line_bytes(line), key: PartitionKey::Random(line as u32), file, end, line_bytes: 9, packed: None };
        sender.send(FromTailer::Records(vec![record])).await.unwrap();
    }
    drop(sender);
    shipping.await.unwrap().unwrap();
    let dead_letters = std::fs::read_to_string(directory.dead_letters()).unwrap_or_default();
    let state = store.load().unwrap();
    let offsets = state.as_ref().unwrap().files.iter().map(|file| file.offset).collect();
    (Outcome { state, dead_letters, counters }, offsets)
}

/// The lines in what a server accepted, however they were packed.
fn unpacked(server: &FakeKinesis) -> Vec<Vec<u8>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    for (_, data) in server.accepted() {
        match &data[..] {
            [0x1f, 0x8b, ..] => {
                flate2::read::GzDecoder::new(&data[..]).read_to_end(&mut text).unwrap();
            }
            _ => text.extend_from_slice(&data),
        }
    }
    // An aggregate holds its lines as they are, between a few bytes that are no digits.
    let is_line = |line: &&[u8]| line.len() == 8 && line.iter().all(u8::is_ascii_digit);
    let ends = text.split(|byte| *byte == b'\n').map(|line| &line[line.len().saturating_sub(8)..]);
    let mut lines: Vec<Vec<u8>> = ends.filter(is_line).map(|line| [line, b"\n"].concat()).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn packed_lines_of_two_files_arrive_once_and_move_both_positions() {
    for more in
        [r#", "aggregation": "KPL", "aggregationSizeBytes": 200"#, r#", "compression": "gzip", "compressedRecordSizeBytes": 90"#]
    {
        let mut turn = 0;
        let server = FakeKinesis::start(move |records| {
            turn += 1;
            match turn % 3 {
                0 => Reply::Error(500, "InternalFailure"),
                1 => Reply::Each((0..records.len()).map(|record| record == 0).collect()),
                _ => Reply::Each(vec![true; records.len()]),
            }
        });
        let server = server.await;
        let (outcome, offsets) = ship_packed(&server, more, 200).await;
        assert_eq!(unpacked(&server), lines(200), "{more}");
        assert!(server.accepted().len() <= 25, "{}", server.accepted().len());
        assert_eq!(offsets, [900, 900]);
        assert_eq!(outcome.counters.records_sent.get(), 200, "lines are counted, not records");
    }
}

#[tokio::test]
async fn every_line_of_a_packed_record_that_is_refused_is_in_the_dead_letters() {
    for more in
        [r#", "aggregation": "KPL", "aggregationSizeBytes": 100"#, r#", "compression": "zstd", "compressedRecordSizeBytes": 50"#]
    {
        let mut first = true;
        // The first request is accepted, so that refusals count; then every second record is poison.
        let server =
            FakeKinesis::start(move |records| match std::mem::take(&mut first) || records.len() == 1 && records[0].0 == "0" {
                true => Reply::Each(vec![true; records.len()]),
                false => Reply::Error(400, "ValidationException"),
            });
        let server = server.await;
        let (outcome, offsets) = ship_packed(&server, more, 40).await;
        let letters: Vec<Value> = outcome.dead_letters.lines().map(|letter| serde_json::from_str(letter).unwrap()).collect();
        assert_eq!(letters.len() as u64, outcome.counters.records_refused.get());
        assert_eq!(letters.len() as u64 + outcome.counters.records_sent.get(), 40, "{more}");
        assert!(letters.len() >= 20);
        for letter in letters {
            let (file, offset) = (letter["file"].as_str().unwrap(), letter["offset"].as_u64().unwrap());
            let line = offset / 9 * 2 + u64::from(file == "b.log");
            assert_eq!(letter["data_base64"], base64::Engine::encode(&base64::prelude::BASE64_STANDARD, line_bytes(line)));
        }
        assert_eq!(offsets, [180, 180], "what was put aside does not hold the position");
    }
}
