//! Paging, the page of a photo, and what an owner can do.

use std::time::Duration;

use image::{Rgb, RgbImage};
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;

use super::{Running, Visitor, first_between, jpeg, photo_paths};
use crate::{
    records::NewPicture,
    storage::{Kind, PictureKey},
    tend,
};

/// A photo unlike the others.
fn photo(number: u8) -> Vec<u8> {
    jpeg(&RgbImage::from_pixel(8, 8, Rgb([number, 100, 255 - number])))
}

async fn with_photos(site: &Running, count: u8) -> Visitor {
    let ann = site.logged_in("Ann").await;
    for number in 0..count {
        let name = format!("photo{number}.jpg");
        assert_eq!(ann.upload(vec![(&name, photo(number * 20))]).await.status(), StatusCode::OK);
    }
    ann
}

fn titles(page: &str) -> Vec<String> {
    page.split("alt=\"Photo by Ann: ").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

#[tokio::test]
async fn pages_lead_to_older_photos_and_back() {
    let site = Running::start_with(|settings| settings.page.pictures = 2).await;
    let ann = with_photos(&site, 5).await;
    let follow = async |page: &str, rel: &str| {
        let path = first_between(page, &format!("rel=\"{rel}\" href=\""), "\"").unwrap();
        ann.get(&site.url(&path)).await.text().await.unwrap()
    };
    let first = ann.page().await;
    assert_eq!(titles(&first), ["photo4", "photo3"]);
    assert!(!first.contains("rel=\"prev\""));
    let second = follow(&first, "next").await;
    assert_eq!(titles(&second), ["photo2", "photo1"]);
    let last = follow(&second, "next").await;
    assert_eq!(titles(&last), ["photo0"]);
    assert!(!last.contains("rel=\"next\""), "{last}");
    assert_eq!(titles(&follow(&last, "prev").await), ["photo2", "photo1"]);
    let nonsense = ann.get(&site.url("/web-demo/index.php?before=nonsense")).await;
    assert_eq!(titles(&nonsense.text().await.unwrap()), ["photo4", "photo3"]);
}

#[tokio::test]
async fn a_photo_has_a_page_with_its_neighbours_and_files_of_several_sizes() {
    let site = Running::start().await;
    let ann = with_photos(&site, 3).await;
    let large = jpeg(&RgbImage::from_pixel(2000, 1000, Rgb([9, 9, 9])));
    ann.upload(vec![("large.jpg", large)]).await;
    let front = ann.page().await;
    let paths = photo_paths(&front);
    let page = ann.get(&site.url(&paths[0])).await.text().await.unwrap();
    let (webp, jpeg) = page.split_once("<img ").unwrap();
    for (html, content_type) in [(webp, "image/webp"), (jpeg, "image/jpeg")] {
        let srcset = first_between(html, "srcset=\"", "\"").unwrap();
        let parts: Vec<_> = srcset.split(", ").map(|part| part.split_once(' ').unwrap()).collect();
        assert_eq!(parts.iter().map(|(_, declared)| *declared).collect::<Vec<_>>(), ["400w", "1600w"]);
        for ((path, _), width) in parts.into_iter().zip([400, 1600]) {
            let served = ann.get(&site.url(path)).await;
            assert_eq!(served.headers()[reqwest::header::CONTENT_TYPE], content_type);
            let picture = image::load_from_memory(&served.bytes().await.unwrap()).unwrap();
            assert_eq!(picture.to_rgb8().width(), width);
        }
    }
    assert!(page.contains("2000 × 1000") && page.contains(&format!("id=\"older\" rel=\"next\" href=\"{}\"", paths[1])), "{page}");
    assert!(!page.contains("id=\"newer\""));
    let middle = ann.get(&site.url(&paths[1])).await.text().await.unwrap();
    assert!(middle.contains(&format!("id=\"newer\" rel=\"prev\" href=\"{}\"", paths[0])), "{middle}");
    assert_eq!(ann.get(&site.url("/web-demo/photos/999999")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(ann.get(&site.url("/web-demo/photos/x")).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_photo_from_before_there_was_webp_is_shown_as_jpeg() {
    let site = Running::start().await;
    let old = NewPicture { owner: "Ann", width: 900, height: 600, ..NewPicture::new(Kind::Folder, PictureKey::new()) };
    site.site.records.add(&old).await.unwrap();
    let ann = site.logged_in("Ann").await;
    for page in [ann.page().await, ann.get(&site.url(&photo_paths(&ann.page().await)[0])).await.text().await.unwrap()] {
        assert!(page.contains("-small.jpg") && page.contains("srcset=") && !page.contains(".webp"), "{page}");
    }
}

#[tokio::test]
async fn an_owner_deletes_a_photo_and_takes_it_back() {
    let site = Running::start().await;
    let ann = with_photos(&site, 1).await;
    let path = photo_paths(&ann.page().await)[0].clone();
    let token = ann.form_token().await;
    let deleted = ann.post_form_to(&site.url(&format!("{path}/delete")), &[("csrf", &token)]).await;
    let page = deleted.text().await.unwrap();
    assert!(page.contains("Photo deleted.") && page.contains("No photos yet."), "{page}");
    let undo = first_between(&page, "<form class=\"notice undo\" method=\"post\" action=\"", "\"").unwrap();
    assert_eq!(ann.get(&site.url(&path)).await.status(), StatusCode::NOT_FOUND);
    let back = ann.post_form_to(&site.url(&undo), &[("csrf", &token)]).await.text().await.unwrap();
    assert!(back.contains("The photo is back."), "{back}");
    assert_eq!(photo_paths(&ann.page().await), [path]);
}

#[tokio::test]
async fn an_owner_changes_the_words_and_nobody_else_does() {
    let site = Running::start().await;
    let ann = with_photos(&site, 1).await;
    let path = photo_paths(&ann.page().await)[0].clone();
    let url = site.url(&format!("{path}/describe"));
    let token = ann.form_token().await;
    let page = ann.post_form_to(&url, &[("csrf", &token), ("alt", "  A \"red\" sun\n<b>low</b>  ")]).await.text().await.unwrap();
    assert!(page.contains("Description saved."), "{page}");
    let words = "A &#34;red&#34; sun &#60;b&#62;low&#60;/b&#62;";
    assert!(page.contains(&format!("alt=\"{words}\"")) && page.contains(&format!("value=\"{words}\"")), "{page}");
    assert!(ann.page().await.contains(&format!("alt=\"{words}\"")), "the front page's cache knows, too");

    let bob = site.logged_in("Bob").await;
    assert!(!bob.get(&site.url(&path)).await.text().await.unwrap().contains("/describe"));
    let refused = bob.post_form_to(&url, &[("csrf", &bob.form_token().await), ("alt", "Bob was here")]).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    let foreign = ann.post_form_to(&url, &[("csrf", "00000000000000000000000000000000"), ("alt", "x")]).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    ann.post_form_to(&url, &[("csrf", &token), ("alt", "")]).await;
    assert_eq!(titles(&ann.page().await), ["photo0"], "without words, the file's name stands for them");
}

#[tokio::test]
async fn uploads_at_the_same_moment_do_not_add_up_to_more_than_is_allowed() {
    let site = Running::start_with(|settings| settings.upload.max_photos_per_owner = 2).await;
    let ann = site.logged_in("Ann").await;
    let upload = |number: u8| ann.upload(vec![("a.jpg", photo(number))]);
    let (a, b, c, d) = tokio::join!(upload(0), upload(60), upload(120), upload(180));
    let statuses = [a, b, c, d].map(|answer| answer.status());
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), 2, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::FORBIDDEN).count(), 2, "{statuses:?}");
    assert_eq!(photo_paths(&ann.page().await).len(), 2);
    assert_eq!(
        std::fs::read_dir(site.data.path().join("uploads")).unwrap().count(),
        6,
        "three files each, and none of the others"
    );
}

#[tokio::test]
async fn nobody_else_deletes_it_and_no_foreign_form() {
    let site = Running::start().await;
    let ann = with_photos(&site, 1).await;
    let path = photo_paths(&ann.page().await)[0].clone();
    let url = site.url(&format!("{path}/delete"));
    let bob = site.logged_in("Bob").await;
    assert!(!bob.get(&site.url(&path)).await.text().await.unwrap().contains("/delete"));
    assert_eq!(bob.post_form_to(&url, &[("csrf", &bob.form_token().await)]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(ann.post_form_to(&url, &[("csrf", "00000000000000000000000000000000")]).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(site.visitor().post_form_to(&url, &[]).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ann.get(&url).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(photo_paths(&ann.page().await), [path]);
}

#[tokio::test]
async fn after_the_time_for_undo_the_files_are_gone() {
    let site = Running::start().await;
    let ann = with_photos(&site, 1).await;
    let path = photo_paths(&ann.page().await)[0].clone();
    let token = ann.form_token().await;
    ann.post_form_to(&site.url(&format!("{path}/delete")), &[("csrf", &token)]).await;
    let files = || std::fs::read_dir(site.data.path().join("uploads")).unwrap().count();
    assert_eq!(tend::remove_deleted(&site.site, Timestamp::now()).await.unwrap(), 0);
    assert_eq!(files(), 3);
    let later = Timestamp::now() + SignedDuration::from_mins(11);
    assert_eq!(tend::remove_deleted(&site.site, later).await.unwrap(), 1);
    assert_eq!(files(), 0);
    let undo = ann.post_form_to(&site.url(&format!("{path}/restore")), &[("csrf", &token)]).await;
    assert_eq!(undo.status(), StatusCode::NOT_FOUND);
    assert!(undo.text().await.unwrap().contains("cannot be brought back"));
}

#[tokio::test]
async fn the_originals_logout_link_asks_before_it_acts() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let asked = ann.get(&site.url("/web-demo/index.php?logout=yes")).await.text().await.unwrap();
    assert!(asked.contains("Log out?") && ann.page().await.contains("<bdi>Ann</bdi>"), "{asked}");
    let token = first_between(&asked, "name=\"csrf\" value=\"", "\"").unwrap();
    ann.post_form(&[("csrf", &token), ("logout", "yes")]).await;
    assert!(ann.page().await.contains("Enter your name"));
}

#[tokio::test]
async fn files_that_a_crash_left_without_a_row_are_swept_up_and_others_are_not() {
    let site = Running::start().await;
    let ann = with_photos(&site, 1).await;
    let uploads = site.data.path().join("uploads");
    let orphan = uploads.join("0123456789abcdef0123456789abcdef.jpg");
    std::fs::write(&orphan, "left behind").unwrap();
    assert_eq!(tend::remove_orphans(&site.site, Duration::from_secs(60 * 60)).await.unwrap(), 0, "it may still get its row");
    assert_eq!(tend::remove_orphans(&site.site, Duration::ZERO).await.unwrap(), 1);
    assert!(!orphan.exists());
    assert_eq!(photo_paths(&ann.page().await).len(), 1);
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 3);
}
