//! Receiving photos: refuse early what can be refused early, write the rest to files, publish one after the other.

use std::sync::Arc;

use anyhow::{Context, anyhow};
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

use super::{
    FORM_OVERHEAD_BYTES, after_form,
    index::{Refusal, discard},
    visitor::Visitor,
};
use crate::{
    picture::PictureError,
    publish::{PublishError, Source, publish},
    site::Site,
};

/// The original's field.
const FILE_FIELD: &str = "fileToUpload";

/// The token of the visitor's forms. Comes before the files, so that a foreign form is refused before they are read.
const TOKEN_FIELD: &str = "csrf";

const MAX_TOKEN_BYTES: usize = 64;

/// More files at a time would only be a way to keep us busy.
const MAX_FILES: usize = 50;

/// As the original's column.
const MAX_FILENAME_CHARS: usize = 255;

/// A file that was received and not looked at yet.
struct Received {
    file: TempPath,
    filename: String,
}

/// Adds the photos of a multipart form.
pub(super) async fn upload(site: &Arc<Site>, visitor: Option<&mut Visitor>, request: Request) -> Result<Response, Refusal> {
    let Some(visitor) = visitor else {
        discard(site, request);
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "You are not logged in, so nothing was uploaded. Please log in, then try again.",
        ));
    };
    if declared_length(request.headers()) > site.settings.upload.max_bytes() + FORM_OVERHEAD_BYTES {
        discard(site, request);
        return Err(too_large(site));
    }
    let receiver = site.receivers.acquire().await.map_err(|error| broken(anyhow!(error)))?;
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

fn declared_length(headers: &HeaderMap) -> u64 {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

async fn receive(site: &Arc<Site>, visitor: &Visitor, form: &mut Multipart) -> Result<Vec<Received>, Refusal> {
    let mut has_token = false;
    let mut room = site.settings.upload.max_bytes();
    let mut received = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| cut_short(site, &error))? {
        match field.name() {
            Some(TOKEN_FIELD) => has_token = visitor.owns(Some(&read_token(site, field).await?)),
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
                received.push(receive_file(site, field, &mut room).await?);
            }
            _ => {}
        }
    }
    if has_token { Ok(received) } else { Err(Refusal::foreign_form()) }
}

async fn read_token(site: &Site, mut field: Field<'_>) -> Result<String, Refusal> {
    let mut token = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| cut_short(site, &error))? {
        if token.len() + chunk.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::foreign_form());
        }
        token.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&token).into_owned())
}

/// Writes a file as it comes in. `room`: how many bytes the upload may still have.
async fn receive_file(site: &Arc<Site>, mut field: Field<'_>, room: &mut u64) -> Result<Received, Refusal> {
    let filename = clean_filename(field.file_name().unwrap_or_default());
    let made = site.on_blocking_thread(|site| site.storage.new_file()).await.map_err(broken)?;
    let (file, path) =
        made.context("cannot make a file for an upload; check the data folder's free space").map_err(broken)?.into_parts();
    let mut file = File::from_std(file);
    while let Some(chunk) = field.chunk().await.map_err(|error| cut_short(site, &error))? {
        *room = room.checked_sub(chunk.len() as u64).ok_or_else(|| too_large(site))?;
        file.write_all(&chunk).await.context("cannot write an upload").map_err(broken)?;
    }
    file.flush().await.context("cannot write an upload").map_err(broken)?;
    Ok(Received { file: path, filename })
}

/// Publishes what it can; one bad file does not stop the others.
async fn publish_all(site: &Arc<Site>, visitor: &mut Visitor, received: Vec<Received>) -> Result<Response, Refusal> {
    let (mut added, mut status, mut problems) = (0, None, Vec::new());
    for Received { file, filename } in received {
        match publish(site, Source::File(file), visitor.user().clone(), filename.clone()).await {
            Ok(()) => added += 1,
            Err(PublishError::Refused(reason)) => {
                status.get_or_insert(status_of(&reason));
                problems.push(format!("{filename}: {reason}"));
            }
            Err(PublishError::Failed(error)) => {
                let refusal = broken(error);
                status = Some(refusal.status);
                problems.extend(refusal.problems.into_iter().map(|problem| format!("{filename}: {problem}")));
            }
        }
    }
    let notice = (added > 0).then(|| if added == 1 { "1 photo added.".to_owned() } else { format!("{added} photos added.") });
    if let Some(status) = status {
        return Err(Refusal { status, problems, notice });
    }
    visitor.leave_notice(site, notice).await;
    Ok((visitor.cookies(), after_form()).into_response())
}

fn status_of(reason: &PictureError) -> StatusCode {
    match reason {
        PictureError::Unknown | PictureError::Heic => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        PictureError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PictureError::Damaged(_) => StatusCode::UNPROCESSABLE_ENTITY,
        PictureError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
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
fn broken(error: anyhow::Error) -> Refusal {
    error!(error = format!("{error:#}"), "an upload failed");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the photo could not be stored. Please try again later.")
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
}
