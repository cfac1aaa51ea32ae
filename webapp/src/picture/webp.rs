//! WebP files of ours, lossy, encoded by libwebp: a third to a half smaller than JPEG at the same look.
//!
//! libwebp's encoder writes a picture and nothing else. Photos of recent phones mean other colours by the same numbers and
//! say so in a colour profile; for these the file gets the extended container (RFC 9649, section 2.7) around the same bytes.

use image::RgbImage;

/// RIFF, its length, WEBP.
const FILE_HEADER_BYTES: usize = 12;

/// In the flags of the extended header: there is a colour profile.
const HAS_PROFILE: u8 = 0x20;

/// The longest side of a WebP file; 14 bits say it. Versions of ours are smaller.
pub(super) const MAX_SIDE: u32 = 16_383;

/// A picture as a WebP file. `quality`: 0 to 100.
///
/// # Errors
/// What the encoder says: out of memory, or a picture without or with too many pixels.
pub(super) fn encode(pixels: &RgbImage, quality: u8, profile: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let (width, height) = pixels.dimensions();
    if width.max(height) > MAX_SIDE || width.min(height) == 0 {
        return Err(format!("a picture of {width} x {height} does not fit into WebP"));
    }
    let encoder = webp::Encoder::from_rgb(pixels.as_raw(), width, height);
    let file = encoder.encode_simple(false, f32::from(quality)).map_err(|error| format!("cannot make WebP: {error:?}"))?;
    Ok(match profile {
        Some(profile) => extended(&file, (width, height), profile),
        None => file.to_vec(),
    })
}

/// The same picture in the container that has room for a profile.
fn extended(simple: &[u8], (width, height): (u32, u32), profile: &[u8]) -> Vec<u8> {
    let picture = &simple[FILE_HEADER_BYTES..]; // one chunk, padded
    let mut header = vec![HAS_PROFILE, 0, 0, 0];
    for side in [width, height] {
        header.extend_from_slice(&(side - 1).to_le_bytes()[..3]);
    }
    let mut chunks = Vec::with_capacity(picture.len() + profile.len() + 40);
    append_chunk(&mut chunks, b"VP8X", &header);
    append_chunk(&mut chunks, b"ICCP", profile);
    chunks.extend_from_slice(picture);

    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&length(chunks.len() + b"WEBP".len()));
    file.extend_from_slice(b"WEBP");
    file.extend_from_slice(&chunks);
    file
}

/// A name, a length, and the bytes, of which there must be an even number.
fn append_chunk(out: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(bytes);
    if bytes.len() % 2 == 1 {
        out.push(0);
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a version of a picture has far less than 4 GiB").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageDecoder, Rgb, codecs::webp::WebPDecoder};

    use super::*;

    /// What an independent decoder finds in a file.
    fn decoded(file: &[u8]) -> (RgbImage, Option<Vec<u8>>) {
        let mut decoder = WebPDecoder::new(Cursor::new(file)).unwrap();
        let profile = decoder.icc_profile().unwrap();
        (image::DynamicImage::from_decoder(decoder).unwrap().to_rgb8(), profile)
    }

    fn sunset() -> RgbImage {
        RgbImage::from_fn(121, 80, |x, y| Rgb([200, (x + y) as u8, (y * 3) as u8]))
    }

    #[test]
    fn a_picture_keeps_its_size_and_about_its_colours() {
        let (pixels, profile) = decoded(&encode(&sunset(), 80, None).unwrap());
        assert_eq!((pixels.dimensions(), profile), ((121, 80), None));
        let difference: u32 = pixels.pixels().zip(sunset().pixels()).map(|(a, b)| u32::from(a[1].abs_diff(b[1]))).sum();
        assert!(difference / (121 * 80) < 4, "{difference}");
    }

    #[test]
    fn a_colour_profile_goes_with_the_picture_whatever_its_length() {
        for bytes in [500, 501] {
            let profile: Vec<u8> = (0..bytes).map(|byte| byte as u8).collect();
            let (pixels, found) = decoded(&encode(&sunset(), 80, Some(&profile)).unwrap());
            assert_eq!((pixels.dimensions(), found), ((121, 80), Some(profile)));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(encode(&RgbImage::new(16_384, 1), 80, None).unwrap_err().contains("16384 x 1"));
        assert!(encode(&RgbImage::new(0, 0), 80, None).is_err());
    }
}
