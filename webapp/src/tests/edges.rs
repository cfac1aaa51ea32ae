//! What broke the original, measured on it, and our answer. (Sizes, quotas and full disks have tests of their own.)

use std::{fs, io::Cursor};

use image::{ImageFormat, Rgb, RgbImage};
use reqwest::StatusCode;
use sqlx::{Connection, SqliteConnection};

use super::{Running, Visitor, full_picture_paths, jpeg, photo_paths};

fn picture(colour: u8, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    RgbImage::from_pixel(8, 8, Rgb([colour, 90, 30])).write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// Uploads it and returns the page.
async fn uploaded(ann: &Visitor, name: &str, bytes: Vec<u8>) -> (StatusCode, String) {
    let after = ann.upload(vec![(name, bytes)]).await;
    (after.status(), after.text().await.unwrap())
}

#[tokio::test]
async fn any_name_of_a_file_will_do_and_none_is_one_on_the_disk() {
    let site = Running::start_with(|settings| settings.page.pictures = 50).await;
    let ann = site.logged_in("Ann").await;
    let long = format!("{}.jpg", "x".repeat(300));
    let names = [
        "🦆🌊.jpg",
        &long,
        "../../etc/passwd.jpg",
        "a \"quoted\" 'name'.jpg",
        "夏休み.jpg",
        "evil.jpg.php",
        "noextension",
        ".htaccess",
    ];
    for (number, name) in (1u8..).zip(names) {
        let (status, page) = uploaded(&ann, name, jpeg(&RgbImage::from_pixel(8, 8, Rgb([number * 20, 0, 0])))).await;
        assert_eq!(status, StatusCode::OK, "{name}: {page}");
        assert!(page.contains("1 photo added."), "{name}: {page}");
        assert_eq!(full_picture_paths(&page).len(), usize::from(number), "{name}");
    }
    for entry in fs::read_dir(site.data.path().join("uploads")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (stem, extension) = name.split_once('.').unwrap();
        assert!(stem.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-'), "{name}");
        assert!(["jpg", "webp"].contains(&extension), "{name}");
    }
    let page = ann.page().await;
    assert!(page.contains("🦆🌊") && page.contains("夏休み"), "{page}");
    for path in full_picture_paths(&page) {
        assert_eq!(ann.get(&site.url(&path)).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn what_is_in_a_file_counts_and_not_its_name() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    for (number, format) in (1u8..).zip([ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP]) {
        let (status, page) = uploaded(&ann, "photo.php", picture(number * 50, format)).await;
        assert_eq!(status, StatusCode::OK, "{format:?}: {page}");
    }
    let script = b"<?php system($_GET['c']); ?>".to_vec();
    let disguised = [b"GIF89a".to_vec(), script.clone()].concat();
    for (name, bytes) in [("evil.jpg.php", script), ("evil.gif", disguised), ("empty.jpg", vec![])] {
        let (status, page) = uploaded(&ann, name, bytes).await;
        assert!(status.is_client_error(), "{name}: {status}");
        assert!(page.contains(name) && page.ends_with("</html>"), "{name} is refused with a sentence: {page}");
        assert_eq!(photo_paths(&page).len(), 3, "{name}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_gives_a_sentence_and_no_row() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    assert_eq!(uploaded(&ann, "first.jpg", picture(1, ImageFormat::Jpeg)).await.0, StatusCode::OK);
    let folder = site.data.path().join("uploads");
    let aside = site.data.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "a file stands where the folder was").unwrap(); // root may write into any folder

    let (status, page) = uploaded(&ann, "second.jpg", picture(200, ImageFormat::Jpeg)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{page}");
    assert!(page.ends_with("</html>"), "{page}");
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(photo_paths(&ann.page().await).len(), 1, "no row without its files");
    assert_eq!(uploaded(&ann, "second.jpg", picture(200, ImageFormat::Jpeg)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_missing_table_gives_a_whole_page_that_says_so() {
    let site = Running::start().await;
    let mut database =
        SqliteConnection::connect(&format!("sqlite:{}", site.data.path().join("webapp.sqlite").display())).await.unwrap();
    sqlx::query("ALTER TABLE photos RENAME TO lost").execute(&mut database).await.unwrap();
    let answer = site.visitor().get(&site.page_url()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = answer.text().await.unwrap();
    assert!(page.contains("no pictures are shown") && page.ends_with("</html>"), "{page}");
    let ready = site.visitor().get(&site.url("/readyz")).await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", ready.text().await.unwrap());
}

#[tokio::test]
async fn a_balancer_learns_more_from_its_check_than_that_something_listens() {
    let site = Running::start().await;
    let root = site.visitor().get(&site.url("/")).await;
    assert!(root.text().await.unwrap().contains("<title>"), "the front page, not a server's own");
    assert_eq!(site.visitor().get(&site.url("/readyz")).await.status(), StatusCode::OK);
    assert_eq!(site.visitor().get(&site.url("/healthz")).await.status(), StatusCode::OK);
}
