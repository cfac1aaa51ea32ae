//! Photos get onto the page, or the page says why not.

use image::{Rgb, RgbImage};
use reqwest::{StatusCode, header, multipart};

use super::{Running, full_picture_paths, jpeg, jpeg_with_exif, photo_paths};

fn files_in(site: &Running, folder: &str) -> usize {
    std::fs::read_dir(site.data.path().join(folder)).unwrap().count()
}

#[tokio::test]
async fn an_uploaded_photo_appears_on_the_page_upright_and_clean() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let photo = jpeg_with_exif(&RgbImage::from_pixel(900, 600, Rgb([200, 90, 30])), 6);
    let after = ann.upload(vec![("holiday.jpg", photo)]).await;
    assert_eq!(after.status(), StatusCode::OK);
    let page = after.text().await.unwrap();
    assert!(page.contains("1 photo added."), "{page}");
    assert!(page.contains("alt=\"Photo by Ann: holiday\""), "{page}");

    let [path] = full_picture_paths(&page).try_into().unwrap();
    let served = ann.get(&site.url(&path)).await;
    assert_eq!(served.headers()[header::CONTENT_TYPE], "image/jpeg");
    assert_eq!(served.headers()["x-content-type-options"], "nosniff");
    assert!(served.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    let picture = served.bytes().await.unwrap();
    assert!(!picture.windows(4).any(|bytes| bytes == b"Exif"));
    assert_eq!(image::load_from_memory(&picture).unwrap().to_rgb8().dimensions(), (600, 900));

    let thumbnail = ann.get(&site.url(&path.replace(".jpg", "-small.jpg"))).await.bytes().await.unwrap();
    assert_eq!(image::load_from_memory(&thumbnail).unwrap().to_rgb8().dimensions(), (400, 600));
    assert!(!ann.page().await.contains("1 photo added."), "said once");
    assert_eq!(files_in(&site, "incoming"), 0);
}

#[tokio::test]
async fn several_photos_arrive_together_newest_first() {
    let site = Running::start_with(|settings| settings.page.pictures = 2).await;
    let ann = site.logged_in("Ann").await;
    let photo = |size| jpeg(&RgbImage::new(size, 8));
    let after = ann.upload(vec![("one.jpg", photo(8)), ("two.jpg", photo(9)), ("three.jpg", photo(10))]).await;
    let page = after.text().await.unwrap();
    assert!(page.contains("3 photos added."), "{page}");
    let (three, two) = (page.find("Photo by Ann: three").unwrap(), page.find("Photo by Ann: two").unwrap());
    assert!(three < two && !page.contains("Photo by Ann: one"), "{page}");
}

#[tokio::test]
async fn a_text_named_jpg_is_refused_and_the_photo_beside_it_kept() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let after = ann.upload(vec![("notes.jpg", b"<html>hello</html>".to_vec()), ("good.jpg", jpeg(&RgbImage::new(8, 8)))]).await;
    assert_eq!(after.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let page = after.text().await.unwrap();
    assert!(page.contains("notes.jpg: this is not a picture we can read. Please use JPEG, PNG, GIF or WebP."), "{page}");
    assert!(page.contains("1 photo added."), "{page}");
    assert_eq!(full_picture_paths(&page).len(), 1);
}

#[tokio::test]
async fn an_upload_over_the_limit_is_refused_with_a_sentence() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let after = ann.upload(vec![("large.jpg", vec![0xff; 33 * 1024 * 1024])]).await;
    assert_eq!(after.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let page = after.text().await.unwrap();
    assert!(page.contains("The upload is larger than 32 MiB"), "{page}");
    assert_eq!((files_in(&site, "uploads"), files_in(&site, "incoming")), (0, 0));
}

#[tokio::test]
async fn a_file_of_exactly_the_limit_is_read() {
    let site = Running::start_with(|settings| settings.upload.max_mib = 1).await;
    let ann = site.logged_in("Ann").await;
    let fits = ann.upload(vec![("fits.jpg", vec![b'x'; 1024 * 1024])]).await;
    assert_eq!(fits.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "read, and found to be no picture");
    let over = ann.upload(vec![("over.jpg", vec![b'x'; 1024 * 1024 + 1])]).await;
    assert_eq!(over.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_photo_is_told_to_be_a_duplicate_until_it_is_deleted() {
    let site = Running::start().await;
    let (ann, bob) = (site.logged_in("Ann").await, site.logged_in("Bob").await);
    let photo = jpeg(&RgbImage::new(8, 8));
    ann.upload(vec![("a.jpg", photo.clone())]).await;
    let again = ann.upload(vec![("b.jpg", photo.clone())]).await.text().await.unwrap();
    assert!(again.contains("b.jpg: this is among your photos already"), "{again}");
    assert_eq!(photo_paths(&again).len(), 1);
    let bobs = bob.upload(vec![("b.jpg", photo.clone())]).await.text().await.unwrap();
    assert_eq!(photo_paths(&bobs).len(), 2, "another person's photo is another photo");
    let own = site.url(&format!("{}/delete", photo_paths(&bobs)[1]));
    ann.post_form_to(&own, &[("csrf", &ann.form_token().await)]).await;
    assert!(ann.upload(vec![("a.jpg", photo)]).await.text().await.unwrap().contains("1 photo added."));
}

#[tokio::test]
async fn a_quota_is_told_with_what_to_do() {
    let site = Running::start_with(|settings| settings.upload.max_photos_per_owner = 1).await;
    let ann = site.logged_in("Ann").await;
    let photo = |colour| jpeg(&RgbImage::from_pixel(8, 8, Rgb([colour, 0, 0])));
    let after = ann.upload(vec![("a.jpg", photo(10)), ("b.jpg", photo(200))]).await;
    assert_eq!(after.status(), StatusCode::FORBIDDEN);
    let page = after.text().await.unwrap();
    assert!(page.contains("b.jpg: you have 1 photos, which is the limit here. Please delete some first"), "{page}");
    assert!(page.contains("1 photo added."), "{page}");
}

#[tokio::test]
async fn a_description_is_what_a_blind_visitor_hears() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let form = multipart::Form::new().text("csrf", ann.form_token().await).text("alt", "A \"heron\" <by>\nthe lake");
    let part = multipart::Part::bytes(jpeg(&RgbImage::new(8, 8))).file_name("img_1.jpg");
    let page = ann.client.post(site.page_url()).multipart(form.part("fileToUpload", part)).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("alt=\"A &#34;heron&#34; &#60;by&#62; the lake\""), "{page}");
}

#[tokio::test]
async fn uploads_at_the_same_time_all_arrive() {
    let site = Running::start_with(|settings| settings.page.pictures = 50).await;
    let ann = std::sync::Arc::new(site.logged_in("Ann").await);
    let mut uploads = tokio::task::JoinSet::new();
    for number in 0..12 {
        let ann = ann.clone();
        let photo = jpeg(&RgbImage::from_pixel(300, 200, Rgb([number * 20, 7, 7])));
        uploads.spawn(async move { ann.upload(vec![("a.jpg", photo)]).await.status() });
    }
    assert!(uploads.join_all().await.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(photo_paths(&ann.page().await).len(), 12);
    assert_eq!((files_in(&site, "uploads"), files_in(&site, "incoming")), (36, 0));
}

#[tokio::test]
async fn a_photo_of_20_mb_works() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    // As cameras do it: the picture, and beside it megabytes of what only their makers can read.
    let comment = [&[0xff, 0xfe, 0xff, 0xff][..], &[b'x'; 65_533]].concat();
    let photo = jpeg(&RgbImage::from_pixel(2000, 1500, Rgb([200, 90, 30])));
    let large = [&photo[..2], &comment.repeat(320), &photo[2..]].concat();
    assert!(large.len() > 20 * 1024 * 1024 - 10_000 && large.len() < 32 * 1024 * 1024, "{}", large.len());
    let after = ann.upload(vec![("large.jpg", large)]).await;
    assert_eq!(after.status(), StatusCode::OK);
    assert!(after.text().await.unwrap().contains("1 photo added."));
    assert_eq!(files_in(&site, "uploads"), 5);
}

#[tokio::test]
async fn choosing_nothing_is_told() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let after = ann.upload(vec![("", Vec::new())]).await;
    assert_eq!(after.status(), StatusCode::BAD_REQUEST);
    assert!(after.text().await.unwrap().contains("No photo was chosen."));
}

#[tokio::test]
async fn an_empty_database_gets_the_demo_pictures_once() {
    let site = Running::start_with(|settings| {
        settings.demo.pictures = true;
        settings.page.pictures = 20;
    })
    .await;
    let page = site.visitor().page().await;
    assert_eq!(full_picture_paths(&page).len(), 10);
    assert!(page.contains("<bdi>weir</bdi>") && page.contains("alt=\"A drawn landscape: snow on the hills\""), "{page}");
}
