//! Without scripts the plain forms do the same work.

use fantoccini::Locator;
use tests::browser::Look;

use crate::site::{DEADLINE, Site, sign_in};

#[tokio::test]
async fn without_scripts_people_sign_in_upload_delete_undo_and_leave() {
    let site = Site::start("[demo]\npictures = false\n").await;
    let browser = site.visited(Look { has_no_script: true, ..Look::default() }).await;
    let client = browser.client();
    let find = async |locator: Locator<'_>| match client.wait().at_most(DEADLINE).for_element(locator).await {
        Ok(element) => element,
        Err(error) => panic!("{error}: {locator:?} is not on {}", client.source().await.unwrap()),
    };
    sign_in(client, "Ada").await;
    find(Locator::Id("alt")).await.send_keys("A plain sunset").await.unwrap();
    let photo = site.photo("sunset.jpg", 60);
    find(Locator::Id("fileToUpload")).await.send_keys(photo.to_str().unwrap()).await.unwrap();
    find(Locator::XPath("//button[.='Upload']")).await.click().await.unwrap();
    find(Locator::Css("#pictures img[alt='A plain sunset']")).await;

    find(Locator::Css("#pictures li a")).await.click().await.unwrap();
    find(Locator::XPath("//button[.='Delete']")).await.click().await.unwrap();
    find(Locator::Css(".empty")).await;
    find(Locator::XPath("//button[.='Undo']")).await.click().await.unwrap();
    find(Locator::Css(".photo img[alt='A plain sunset']")).await;

    client.goto(&format!("{}?logout=yes", site.page)).await.unwrap();
    find(Locator::XPath("//main//button[.='Logout']")).await.click().await.unwrap();
    find(Locator::Id("username")).await;
    browser.close().await.unwrap();
}
