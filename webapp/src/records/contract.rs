//! What every engine does, whatever its dialect: one list of rules, run on SQLite and on a real MariaDB.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tests::backends::MariaDb;
use tokio::task::JoinSet;

use super::{DatabaseSettings, NewPicture, Quota, Record, Records, engine::Engine};
use crate::{
    storage::{Kind, PictureKey, Rendition},
    user_name::UserName,
};

fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.filename.as_str()).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// Four pictures of Ann's, two of them in one second, and one of Bob's.
async fn fill(records: &Records) {
    for (owner, filename, second) in [("Ann", "a 🌊", 1), ("Ann", "b", 2), ("Ann", "c", 2), ("Ann", "d", 3), ("Bob", "e", 4)] {
        let picture = NewPicture {
            owner,
            filename,
            alt_text: "Ein Hügel im Schnee",
            size_bytes: 3_000_000_000,
            width: 1600,
            height: 1200,
            webp: owner == "Bob",
            content_hash: filename,
            created: Some(at(second)),
            ..NewPicture::new(Kind::Folder, PictureKey::new())
        };
        assert!(records.add(&picture).await.unwrap().is_some());
    }
}

async fn lists(records: &Records) {
    let newest = records.newest(3).await.unwrap();
    assert_eq!(names(&newest), ["e", "d", "c"]);
    assert_eq!(newest[0].uploaded, at(4));
    assert_eq!((newest[0].size_bytes, newest[0].width, newest[0].height), (3_000_000_000, 1600, 1200));
    assert_eq!(newest[0].alt_text, "Ein Hügel im Schnee");
    assert!(newest[0].webp && !newest[1].webp);
    assert_eq!(names(&records.older(newest[2].cursor(), 9).await.unwrap()), ["b", "a 🌊"]);
    assert_eq!(names(&records.newer(newest[2].cursor(), 1).await.unwrap()), ["d"]);
    assert_eq!(records.picture(newest[1].id).await.unwrap().as_ref(), Some(&newest[1]));
    assert!(
        records.has_key(newest[0].key.with(Rendition::Small)).await.unwrap()
            && !records.has_key(PictureKey::new()).await.unwrap()
    );
    let usage = records.usage("Ann").await.unwrap();
    assert_eq!((usage.pictures, usage.bytes), (4, 12_000_000_000));
    assert_eq!(records.usage("ann").await.unwrap().pictures, 0, "names are compared as they are written");
    assert_eq!(records.duplicate("Ann", "a 🌊").await.unwrap().unwrap().filename, "a 🌊");
    assert!(records.duplicate("Bob", "a 🌊").await.unwrap().is_none());
}

async fn changes(records: &Records) {
    let picture = records.newest(1).await.unwrap().remove(0);
    assert!(!records.delete(picture.id, "Ann").await.unwrap(), "not hers");
    assert!(!records.describe(picture.id, "Ann", "A hill").await.unwrap(), "not hers");
    for _ in 0..2 {
        assert!(records.describe(picture.id, "Bob", "A hill").await.unwrap(), "also with the words it has");
    }
    assert_eq!(records.newest(1).await.unwrap()[0].alt_text, "A hill");
    assert!(records.delete(picture.id, "Bob").await.unwrap());
    assert_eq!(names(&records.newest(1).await.unwrap()), ["d"]);
    assert!(records.restore(picture.id, "Bob").await.unwrap());
    assert!(!records.forget(picture.id).await.unwrap(), "it is not deleted");
    assert!(records.delete(picture.id, "Bob").await.unwrap());
    let soon = Timestamp::now() + SignedDuration::from_hours(1);
    assert_eq!(names(&records.deleted_before(soon, 9).await.unwrap()), ["e"]);
    assert!(records.deleted_before(at(0), 9).await.unwrap().is_empty());
    assert!(records.forget(picture.id).await.unwrap());

    let first = records.stored_in(Kind::Folder, 0, 1).await.unwrap().remove(0);
    assert!(records.moved(first.id, Kind::Folder, Kind::S3).await.unwrap());
    assert!(!records.moved(first.id, Kind::Folder, Kind::S3).await.unwrap());
    assert_eq!(records.stored_in(Kind::S3, 0, 9).await.unwrap()[0].storage, Kind::S3);
}

async fn once(records: &Records) {
    let imported = || NewPicture { import_key: Some("1/a.jpg"), ..NewPicture::new(Kind::Folder, PictureKey::new()) };
    assert!(records.add(&imported()).await.unwrap().is_some() && records.add(&imported()).await.unwrap().is_none());
    assert!(records.has_import("1/a.jpg").await.unwrap() && !records.has_import("2/a.jpg").await.unwrap());
    assert!(records.claim("demo").await.unwrap() && !records.claim("demo").await.unwrap());
    let name = |text: &str| UserName::parse(text).unwrap();
    assert!(records.add_account(&name("José 🙂"), "hash").await.unwrap());
    assert!(!records.add_account(&name("JOSÉ 🙂"), "other").await.unwrap(), "taken in any case");
    let account = records.account(&name("josé 🙂")).await.unwrap().unwrap();
    assert_eq!((account.username.as_str(), account.password_hash.as_str()), ("José 🙂", "hash"));
}

/// How many of these pictures are added that one owner uploads at the same moment.
async fn added(records: &Arc<Records>, names: impl Iterator<Item = String>, quota: Quota) -> usize {
    let mut uploads = JoinSet::new();
    for name in names {
        let records = records.clone();
        uploads.spawn(async move {
            let picture = NewPicture {
                owner: "Eve",
                filename: &name,
                size_bytes: 10,
                content_hash: &name,
                quota: Some(quota),
                ..NewPicture::new(Kind::Folder, PictureKey::new())
            };
            records.add(&picture).await.unwrap().is_some()
        });
    }
    uploads.join_all().await.into_iter().filter(|added| *added).count()
}

async fn quotas(records: &Arc<Records>) {
    let names = |begin: &'static str| (0..12).map(move |number| format!("{begin}{number}"));
    assert_eq!(added(records, names("a"), Quota { pictures: 5, bytes: 0 }).await, 5);
    assert_eq!(added(records, names("b"), Quota { pictures: 0, bytes: 75 }).await, 3, "50 are there, and the last may go over");
    let same = std::iter::repeat_n("c".to_owned(), 12);
    assert_eq!(added(records, same, Quota { pictures: 0, bytes: 0 }).await, 1, "the same picture is added once");
    assert_eq!(added(records, names("d"), Quota { pictures: 9, bytes: 90 }).await, 0);
}

/// Two runs of the import at the same moment, while the owner uploads and deletes: nothing is given up, nothing is there twice.
async fn imports(records: &Arc<Records>) {
    let id =
        records.add(&NewPicture { owner: "Fay", ..NewPicture::new(Kind::Folder, PictureKey::new()) }).await.unwrap().unwrap();
    let mut work = JoinSet::new();
    for number in 0..30 {
        let records = records.clone();
        work.spawn(async move {
            let import_key = format!("upload_images/{}", number % 10);
            let picture = NewPicture {
                owner: "Fay",
                import_key: Some(&import_key).filter(|_| number < 20).map(String::as_str),
                content_hash: &import_key,
                quota: (number >= 20).then_some(Quota { pictures: 1000, bytes: 1000 }),
                ..NewPicture::new(Kind::Folder, PictureKey::new())
            };
            let is_added = records.add(&picture).await.unwrap().is_some();
            records.delete(id, "Fay").await.unwrap();
            records.restore(id, "Fay").await.unwrap();
            is_added && number < 20
        });
    }
    assert_eq!(work.join_all().await.into_iter().filter(|added| *added).count(), 10);
}

async fn contract(records: Records) -> Arc<Records> {
    let records = &Arc::new(records);
    assert!(records.is_empty().await.unwrap());
    fill(records).await;
    lists(records).await;
    changes(records).await;
    once(records).await;
    quotas(records).await;
    imports(records).await;
    records.ping().await.unwrap();
    records.clone()
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let (_folder, records) = super::tests::empty().await;
    contract(records).await;
}

#[tokio::test]
async fn mariadb_keeps_the_contract_and_reads_lists_from_the_index() {
    let Some(server) = MariaDb::start().await.unwrap() else { return };
    let settings = DatabaseSettings {
        url: Some(server.url().parse().unwrap()),
        password: Some(MariaDb::PASSWORD.parse().unwrap()),
        timeout: std::time::Duration::from_secs(20), // the machine may be busy; limits are tested elsewhere
        connect_timeout: std::time::Duration::from_secs(20),
        ..DatabaseSettings::default()
    };
    let records = Records::open(&settings, std::path::Path::new("unused")).await.unwrap();
    let records = contract(records).await;

    let Engine::MySql(pool) = &records.engine else { panic!("not MySQL") };
    // A few hundred rows, so that the planner has a reason to use an index.
    let many = "INSERT INTO photos (username, filename, storage, storage_key, timeline) \
                SELECT 'x', 'x', 'folder', CONCAT('k', seq), FROM_UNIXTIME(1600000000 + seq) FROM seq_1_to_2000";
    sqlx::query(many).execute(pool).await.unwrap();
    sqlx::query("ANALYZE TABLE photos").execute(pool).await.unwrap();
    let explain = "EXPLAIN FORMAT=JSON SELECT id FROM photos WHERE deleted_at IS NULL AND timeline <= '2020-09-13 12:30:00' \
                   AND (timeline < '2020-09-13 12:30:00' OR id < 5) ORDER BY timeline DESC, id DESC LIMIT 10";
    let plan: String = sqlx::query_scalar(explain).fetch_one(pool).await.unwrap();
    assert!(plan.contains("\"key\": \"photos_newest\"") && !plan.contains("filesort"), "{plan}");
}
