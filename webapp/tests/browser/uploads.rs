//! Uploading with the script: choose, drop, describe, cancel, retry; and the keyboard on a photo's page.

use fantoccini::{Client, Locator, key::Key};
use tests::browser::Look;

use crate::site::{Site, seen, sign_in};

/// Makes a file in the page and drops or pastes it, as a person would.
async fn give(client: &Client, kind: &str, name: &str, bytes: &[u8]) {
    let script = format!(
        "const data = new DataTransfer(); data.items.add(new File([Uint8Array.from({bytes:?})], '{name}', {{type: 'image/jpeg'}})); \
         document.dispatchEvent('{kind}' === 'drop' ? new DragEvent('drop', {{dataTransfer: data, bubbles: true, cancelable: true}}) \
         : new ClipboardEvent('paste', {{clipboardData: data, bubbles: true}}))"
    );
    client.execute(&script, Vec::new()).await.unwrap();
}

async fn press_upload(client: &Client) {
    client.find(Locator::Css("dialog .actions button")).await.unwrap().click().await.unwrap();
}

#[tokio::test]
async fn dropped_and_pasted_photos_are_added_with_their_words() {
    let site = Site::start("[demo]\npictures = false\n").await;
    let browser = site.visited(Look::default()).await;
    let client = browser.client();
    sign_in(client, "Ada").await;
    let photo = std::fs::read(site.photo("small.jpg", 60)).unwrap();
    give(client, "drop", "dropped.jpg", &photo).await;
    give(client, "paste", "notes.jpg", b"this is no picture").await;
    seen(client, "two rows", "document.querySelectorAll('dialog[open] #progress li').length === 2").await;
    client.find(Locator::Css("#progress li input")).await.unwrap().send_keys("The sun over \"Ada\"").await.unwrap();
    press_upload(client).await;

    seen(client, "the words as alternative", "document.querySelector('#pictures img')?.alt === 'The sun over \"Ada\"'").await;
    let reason = seen(client, "the reason", "document.querySelector('#progress em')?.textContent").await;
    assert_eq!(reason, "this is not a picture we can read. Please use JPEG, PNG, GIF or WebP.");
    browser.close().await.unwrap();
}

#[tokio::test]
async fn an_upload_can_be_cancelled_and_tried_again() {
    let site = Site::start("[demo]\npictures = false\n").await;
    let browser = site.visited(Look::default()).await;
    let client = browser.client();
    sign_in(client, "Ada").await;
    let photo = std::fs::read(site.photo("small.jpg", 60)).unwrap();
    give(client, "drop", "slow.jpg", &photo).await;
    // Cancelled in the same turn in which it is sent: no network is quicker.
    let script =
        "document.querySelector('dialog .actions button').click(); document.querySelector('#progress li button').click()";
    client.execute(script, Vec::new()).await.unwrap();
    seen(client, "to be cancelled", "document.querySelector('#progress em')?.textContent === 'Cancelled.'").await;
    client.find(Locator::XPath("//li/button[.='Retry']")).await.unwrap().click().await.unwrap();
    seen(client, "the photo", "document.querySelector('#pictures img')?.naturalWidth > 0").await;
    browser.close().await.unwrap();
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_before_it_is_sent() {
    let site = Site::start("[upload]\nmax_mib = 1\n[demo]\npictures = false\n").await;
    let browser = site.visited(Look::default()).await;
    let client = browser.client();
    sign_in(client, "Ada").await;
    let large = site.folder.path().join("large.jpg");
    std::fs::write(&large, vec![0; 2 * 1024 * 1024]).unwrap();
    client.find(Locator::Id("fileToUpload")).await.unwrap().send_keys(large.to_str().unwrap()).await.unwrap();
    let reason = seen(client, "the reason", "document.querySelector('#progress em')?.textContent").await;
    assert_eq!(reason, "Larger than 1 MiB. Please choose a smaller photo.");
    assert_eq!(seen(client, "the button", "document.querySelector('dialog .actions button').disabled").await, true);
    browser.close().await.unwrap();
}

#[tokio::test]
async fn arrow_keys_lead_from_photo_to_photo_and_escape_back() {
    let site = Site::start("[demo]\npictures = false\n").await;
    let browser = site.visited(Look::default()).await;
    let client = browser.client();
    sign_in(client, "Ada").await;
    for shade in [60, 160] {
        give(client, "drop", "small.jpg", &std::fs::read(site.photo("small.jpg", shade)).unwrap()).await;
    }
    press_upload(client).await;
    seen(
        client,
        "two photos",
        "document.querySelectorAll('#pictures li').length === 2 && !document.querySelector('dialog[open]')",
    )
    .await;
    let [first, second] = [0, 1].map(|index| format!("document.querySelectorAll('#pictures li a')[{index}].pathname"));
    let (first, second) = (seen(client, "a link", &first).await, seen(client, "a link", &second).await);
    // With the keyboard alone: skip link, then the first photo.
    client.execute("document.querySelector('#pictures li a').focus()", Vec::new()).await.unwrap();
    client.active_element().await.unwrap().send_keys(&Key::Enter.to_string()).await.unwrap();
    for (key, path) in [(None, &first), (Some(Key::Right), &second), (Some(Key::Left), &first)] {
        if let Some(key) = key {
            client.find(Locator::Css("body")).await.unwrap().send_keys(&key.to_string()).await.unwrap();
        }
        seen(client, "the photo's page", &format!("location.pathname === {path} && document.querySelector('.photo') && 'there'"))
            .await;
    }
    client.find(Locator::Css("body")).await.unwrap().send_keys(&Key::Escape.to_string()).await.unwrap();
    seen(client, "the front page", "document.getElementById('pictures') && 'there'").await;
    browser.close().await.unwrap();
}
