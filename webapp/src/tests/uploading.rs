//! Photos get onto the page, or the page says why not.

use image::{Rgb, RgbImage};
use reqwest::{StatusCode, header};

use super::{Running, full_picture_paths, jpeg, jpeg_with_exif};

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
    let photo = || jpeg(&RgbImage::new(8, 8));
    let after = ann.upload(vec![("one.jpg", photo()), ("two.jpg", photo()), ("three.jpg", photo())]).await;
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
    assert!(page.contains("<bdi>weir</bdi>") && page.contains("Photo by weir: Snow on the hills"), "{page}");
}
