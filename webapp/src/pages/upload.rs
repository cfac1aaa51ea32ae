//! Receiving photos: refuse early what can be refused early, write the rest to files, publish one after the other.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use aws_lc_rs::digest;
use axum::{
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use tempfile::TempPath;
use tokio::{fs::File, io::AsyncWriteExt};
use tracing::error;

use super::{FORM_OVERHEAD_BYTES, after_form, forms::discard, index::MAX_ALT_CHARS, refusal::Refusal, visitor::Visitor};
use crate::{
    client::Client,
    metrics::Outcome,
    picture::PictureError,
    publish::{self, Origin, PublishError, Source, Upload, is_disk_full},
    remote::StoreError,
    site::Site,
};

/// The original's field.
const FILE_FIELD: &str = "fileToUpload";

/// The token of the visitor's forms. Comes before the files, so that a foreign form is refused before they are read.
const TOKEN_FIELD: &str = "csrf";

const MAX_TOKEN_BYTES: usize = 64;

/// What is to be seen on the files that follow.
const ALT_FIELD: &str = "alt";

/// A character has up to four bytes.
const MAX_ALT_BYTES: usize = 4 * MAX_ALT_CHARS;

/// More files at a time would only be a way to keep us busy.
const MAX_FILES: usize = 50;

/// As the original's column.
const MAX_FILENAME_CHARS: usize = 255;

/// A file that was received and not looked at yet.
struct Received {
    file: TempPath,
    filename: String,
    alt_text: String,
    content_hash: String,
}

/// Adds the photos of a multipart form.
pub(super) async fn upload(
    site: &Arc<Site>,
    visitor: Option<&mut Visitor>,
    client: Client,
    request: Request,
) -> Result<Response, Refusal> {
    let visitor = match allowed(site, visitor, client, request.headers()) {
        Ok(visitor) => visitor,
        Err(refusal) => {
            discard(site, request);
            return Err(refusal);
        }
    };
    let receiver = site.receivers.acquire().await.map_err(|error| broken(&anyhow!(error)))?;
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| incomplete())?;
    let received = match receive(site, visitor, &mut form).await {
        Ok(received) => received,
        Err(refusal) => {
            site.discard_upload(form);
            return Err(refusal);
        }
    };
    drop(receiver);
    if received.is_empty() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "No photo was chosen. Please choose one or more, then press Upload."));
    }
    publish_all(site, visitor, received).await
}

/// What can be refused before anything of the body is read.
fn allowed<'a>(
    site: &Site,
    visitor: Option<&'a mut Visitor>,
    client: Client,
    headers: &HeaderMap,
) -> Result<&'a mut Visitor, Refusal> {
    let visitor = visitor.ok_or_else(|| {
        let problem = "You are not signed in, so nothing was uploaded. Please sign in, then try again.";
        Refusal::new(StatusCode::UNAUTHORIZED, problem)
    })?;
    if declared_length(headers) > site.settings.upload.max_bytes() + FORM_OVERHEAD_BYTES {
        site.metrics.photo(Outcome::Refused);
        return Err(too_large(site));
    }
    site.limits.uploads.check(client).map_err(|wait| {
        site.metrics.photo(Outcome::Limited);
        Refusal::too_often("uploads", wait)
    })?;
    Ok(visitor)
}

fn declared_length(headers: &HeaderMap) -> u64 {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

async fn receive(site: &Arc<Site>, visitor: &Visitor, form: &mut Multipart) -> Result<Vec<Received>, Refusal> {
    let mut has_token = false;
    let mut room = site.settings.upload.max_bytes();
    let mut received: Vec<Received> = Vec::new();
    let mut alt_text = String::new();
    while let Some(field) = form.next_field().await.map_err(|error| cut_short(site, &error))? {
        match field.name() {
            Some(TOKEN_FIELD) => has_token = visitor.owns(Some(&read_text(site, field, MAX_TOKEN_BYTES).await?)),
            Some(ALT_FIELD) => alt_text = clean_alt(&read_text(site, field, MAX_ALT_BYTES).await?),
            // Browsers send a file field without a name when nothing was chosen.
            Some(FILE_FIELD) if field.file_name().is_some_and(|name| !name.is_empty()) => {
                if !has_token {
                    return Err(Refusal::foreign_form());
                }
                if received.len() == MAX_FILES {
                    let problem = format!(
                        "At most {MAX_FILES} photos can be uploaded at a time. Please choose fewer; none of these was uploaded."
                    );
                    return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, problem));
                }
                received.push(receive_file(site, field, &mut room, &alt_text).await?);
            }
            _ => {}
        }
    }
    // The plain form has its description behind the files, and one for all of them.
    received.iter_mut().filter(|file| file.alt_text.is_empty()).for_each(|file| file.alt_text.clone_from(&alt_text));
    if has_token { Ok(received) } else { Err(Refusal::foreign_form()) }
}

async fn read_text(site: &Site, mut field: Field<'_>, max_bytes: usize) -> Result<String, Refusal> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| cut_short(site, &error))? {
        if text.len() + chunk.len() > max_bytes {
            return Err(Refusal::unreadable_form());
        }
        text.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Writes a file as it comes in. `room`: how many bytes the upload may still have.
async fn receive_file(site: &Arc<Site>, mut field: Field<'_>, room: &mut u64, alt_text: &str) -> Result<Received, Refusal> {
    let filename = clean_filename(field.file_name().unwrap_or_default());
    let made = site.on_blocking_thread(|site| site.storage.new_file()).await.map_err(|error| broken(&error))?;
    let (file, path) = made.context("cannot make a file for an upload").map_err(|error| broken(&error))?.into_parts();
    let mut file = File::from_std(file);
    let mut hash = digest::Context::new(&digest::SHA256);
    let unwritten = |error: std::io::Error| broken(&anyhow!(error).context("cannot write an upload"));
    while let Some(chunk) = field.chunk().await.map_err(|error| cut_short(site, &error))? {
        *room = room.checked_sub(chunk.len() as u64).ok_or_else(|| too_large(site))?;
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(unwritten)?;
    }
    file.flush().await.map_err(unwritten)?;
    let content_hash = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Received { file: path, filename, alt_text: alt_text.to_owned(), content_hash })
}

/// Publishes what it can; one bad file does not stop the others.
async fn publish_all(site: &Arc<Site>, visitor: &mut Visitor, received: Vec<Received>) -> Result<Response, Refusal> {
    let (mut added, mut status, mut problems, mut notices) = (0, None, Vec::new(), Vec::new());
    for Received { file, filename, alt_text, content_hash } in received {
        let owner = visitor.user().clone();
        let (source, origin) = (Source::File(file), Origin::default());
        let upload = Upload { source, owner, filename: filename.clone(), alt_text, content_hash, origin };
        match publish::publish(site, upload).await {
            Ok(()) => {
                site.metrics.photo(Outcome::Accepted);
                added += 1;
            }
            Err(error @ PublishError::Duplicate) => {
                site.metrics.photo(Outcome::Refused);
                notices.push(format!("{filename}: {error}"));
            }
            Err(error) => {
                let refusal = refusal_of(&error);
                let is_ours = refusal.status.is_server_error();
                site.metrics.photo(if is_ours { Outcome::Failed } else { Outcome::Refused });
                status = status.filter(|_| !is_ours).or(Some(refusal.status));
                problems.extend(refusal.problems.into_iter().map(|problem| format!("{filename}: {problem}")));
            }
        }
    }
    if added > 0 {
        notices.insert(0, if added == 1 { "1 photo added.".to_owned() } else { format!("{added} photos added.") });
    }
    let notice = (!notices.is_empty()).then(|| notices.join(" "));
    if let Some(status) = status {
        return Err(Refusal { status, problems, notice, retry_after: None });
    }
    visitor.leave_notice(site, notice).await;
    Ok((visitor.cookies(), after_form()).into_response())
}

fn refusal_of(error: &PublishError) -> Refusal {
    let status = match error {
        PublishError::Refused(PictureError::Unknown | PictureError::Heic) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        PublishError::Refused(PictureError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        PublishError::Refused(PictureError::Damaged(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        PublishError::Refused(PictureError::Failed(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        PublishError::Duplicate => StatusCode::CONFLICT,
        PublishError::OverQuota(_) => StatusCode::FORBIDDEN,
        PublishError::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
        PublishError::Failed(error) => return broken(error),
    };
    Refusal::new(status, error.to_string())
}

fn too_large(site: &Site) -> Refusal {
    let problem = format!(
        "The upload is larger than {} MiB, so nothing was uploaded. Please choose a smaller photo, or fewer at a time.",
        site.settings.upload.max_mib
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, problem)
}

fn incomplete() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "The upload did not arrive completely, so nothing was uploaded. Please try again.")
}

fn cut_short(site: &Site, error: &MultipartError) -> Refusal {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE { too_large(site) } else { incomplete() }
}

/// Our own failure: the details are for the log, not for the page.
fn broken(error: &anyhow::Error) -> Refusal {
    error!(error = format!("{error:#}"), "an upload failed");
    if is_disk_full(error.as_ref()) {
        return Refusal::new(StatusCode::INSUFFICIENT_STORAGE, PublishError::NoRoom.to_string());
    }
    if error.chain().any(|cause| cause.is::<StoreError>()) {
        let problem = "the photo could not be stored, because a part of this site does not answer. Please try again in a moment.";
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, problem);
    }
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the photo could not be stored. Please try again later.")
}

/// Words on one line, without control characters.
pub(super) fn clean_alt(typed: &str) -> String {
    let words: Vec<&str> = typed.split_whitespace().collect();
    words.join(" ").chars().filter(|character| !character.is_control()).take(MAX_ALT_CHARS).collect()
}

/// The last part of the name, as some browsers send a path; without control characters, and not too long.
fn clean_filename(sent: &str) -> String {
    let base = sent.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    base.chars().filter(|character| !character.is_control()).take(MAX_FILENAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_keeps_neither_folders_nor_control_characters() {
        assert_eq!(clean_filename("C:\\photos\\a b.jpg"), "a b.jpg");
        assert_eq!(clean_filename("../../etc/passwd.jpg"), "passwd.jpg");
        assert_eq!(clean_filename("a\r\nb.jpg"), "ab.jpg");
        assert_eq!(clean_filename(&"é".repeat(300)).chars().count(), 255);
    }

    #[test]
    fn a_description_is_words_on_one_line() {
        assert_eq!(clean_alt("  A heron\r\n by\tthe lake\u{7f} "), "A heron by the lake");
        assert_eq!(clean_alt(&"é".repeat(1001)).chars().count(), 1000);
    }
}
