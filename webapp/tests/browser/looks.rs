//! The pages fit a window and a phone, in light and dark, and say what they are to those who do not see them.

use fantoccini::{Client, Locator};
use tests::browser::Look;

use crate::site::{Site, screenshot, seen, sign_in};

/// Nothing is wider than the window, and every control has a name.
async fn check(client: &Client, page: &str) {
    let overflow = "document.documentElement.scrollWidth > innerWidth ? [...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 120)).join() : 'fits'";
    assert_eq!(seen(client, "the width", overflow).await, "fits", "{page}");
    let nameless = "[...document.querySelectorAll('button, a, input:not([type=hidden])')].filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length || e.querySelector('img[alt]:not([alt=\"\"])'))).map(e => e.outerHTML).join() || 'none'";
    assert_eq!(seen(client, "names of controls", nameless).await, "none", "{page}");
    let unsaid =
        "document.querySelectorAll('img:not([alt])').length === 0 && document.querySelectorAll('h1').length === 1 && 'said'";
    assert_eq!(seen(client, "alternatives and one heading", unsaid).await, "said", "{page}");
}

async fn walk(look: Look, name: &str) {
    let site = Site::start("").await;
    let browser = site.visited(look).await;
    let client = browser.client();
    let drawn = "[...document.querySelectorAll('#pictures img')].slice(0, 2).every(i => i.naturalWidth > 0) && document.querySelectorAll('#pictures img').length === 10";
    seen(client, "the demo pictures to be drawn", drawn).await;
    check(client, "front").await;
    screenshot(client, &format!("{name}-front")).await;

    sign_in(client, "Ada").await;
    seen(client, "the pictures again", drawn).await;
    check(client, "signed in").await;
    screenshot(client, &format!("{name}-signed-in")).await;
    let input = client.find(Locator::Id("fileToUpload")).await.unwrap();
    let paths = [site.photo("sunset.jpg", 60), site.photo("evening by the sea.jpg", 160)];
    input.send_keys(&paths.map(|path| path.display().to_string()).join("\n")).await.unwrap();
    seen(client, "the dialog with two photos", "document.querySelectorAll('dialog[open] #progress img').length === 2 && document.querySelector('#progress img').naturalWidth > 0").await;
    check(client, "dialog").await;
    screenshot(client, &format!("{name}-dialog")).await;
    client.find(Locator::Css(".actions button")).await.unwrap().click().await.unwrap();
    seen(client, "both photos on the page", "document.querySelectorAll(\"#pictures img[alt^='Photo by Ada']\").length === 2 && !document.querySelector('dialog[open]')").await;

    client.execute("document.querySelector('#pictures a').click()", Vec::new()).await.unwrap();
    seen(client, "the photo's page", "document.querySelector('.photo img')?.naturalWidth > 0").await;
    check(client, "photo").await;
    screenshot(client, &format!("{name}-photo")).await;
    rarer_pages(&site, client, name).await;
    browser.close().await.unwrap();
}

/// What people see now and then: a deleted photo, one that is gone, older photos, the question before logging out.
async fn rarer_pages(site: &Site, client: &Client, name: &str) {
    client.find(Locator::XPath("//button[.='Delete']")).await.unwrap().click().await.unwrap();
    seen(client, "the offer to undo", "document.querySelector('.undo') && 'there'").await;
    check(client, "deleted").await;
    screenshot(client, &format!("{name}-deleted")).await;
    for (page, path) in
        [("older", "index.php?before=1800000000.1"), ("gone", "photos/999999"), ("logout", "index.php?logout=yes")]
    {
        client.goto(&site.page.replace("index.php", path)).await.unwrap();
        check(client, page).await;
        screenshot(client, &format!("{name}-{page}")).await;
    }
}

#[tokio::test]
async fn a_window_in_the_light() {
    walk(Look::default(), "1280-light").await;
}

#[tokio::test]
async fn a_window_in_the_dark() {
    walk(Look { is_dark: true, ..Look::default() }, "1280-dark").await;
}

#[tokio::test]
async fn a_phone_in_the_light() {
    walk(Look { is_phone: true, ..Look::default() }, "390-light").await;
}

#[tokio::test]
async fn a_phone_in_the_dark() {
    walk(Look { is_phone: true, is_dark: true, ..Look::default() }, "390-dark").await;
}

#[tokio::test]
async fn the_forms_for_accounts_in_the_dark_and_on_a_phone() {
    let site = Site::start("[accounts]\nmode = \"accounts\"\n[demo]\npictures = false\n").await;
    let looks =
        [(Look { is_dark: true, ..Look::default() }, "1280-dark"), (Look { is_phone: true, ..Look::default() }, "390-light")];
    for (look, name) in looks {
        let browser = site.visited(look).await;
        let client = browser.client();
        check(client, "front with accounts").await;
        screenshot(client, &format!("{name}-accounts-front")).await;
        client.find(Locator::LinkText("Sign in")).await.unwrap().click().await.unwrap();
        seen(client, "the forms", "document.getElementById('new-password') && document.getElementById('password') && 'there'")
            .await;
        check(client, "sign in").await;
        screenshot(client, &format!("{name}-accounts-sign-in")).await;
        client.find(Locator::Id("new-name")).await.unwrap().send_keys(name).await.unwrap();
        client.find(Locator::Id("new-password")).await.unwrap().send_keys("correct horse battery\n").await.unwrap();
        seen(
            client,
            "to be signed in",
            "document.body.textContent.includes('Logged in as') && document.getElementById('fileToUpload') && 'in'",
        )
        .await;
        browser.close().await.unwrap();
    }
}
