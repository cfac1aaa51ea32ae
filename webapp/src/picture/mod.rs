//! A picture from outside becomes files of ours: itself as JPEG, a large and a small version as JPEG and as WebP.
//!
//! Pure logic over readers and writers. The picture is decoded and encoded again, so what is served is pixels and
//! nothing else: no camera data, no position, no script in disguise. The content decides the format, not the name.
//!
//! `webp` writes WebP; JPEG is for browsers that do not know it, and for whoever saves the picture.

mod webp;

use std::{
    borrow::Cow,
    io::{self, BufRead, Read, Seek, SeekFrom, Write},
};

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
    codecs::jpeg::JpegEncoder, error::LimitErrorKind,
};

/// A version for the grid. Wide pictures end at the width; only very tall ones reach the height.
pub(crate) const SMALL: Version = Version { width: 400, height: 1600, quality: 80, webp_quality: 75 };

/// A version for a page that shows one picture.
pub(crate) const LARGE: Version = Version { width: 1600, height: 1600, quality: 84, webp_quality: 80 };

const PICTURE_QUALITY: u8 = 88;

/// The largest that a version of a picture may be, in pixels, and how good it looks in either format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    width: u32,
    height: u32,
    quality: u8,
    /// libwebp's scale: these look like the JPEG beside them.
    webp_quality: u8,
}

/// Longest side; JPEG itself ends at 65,535.
const MAX_SIDE: u32 = 30_000;

/// The most memory a pixel takes while it is decoded: four channels of 16 bits.
const MAX_BYTES_PER_PIXEL: u64 = 8;

/// A colour profile above this is dropped; ordinary ones have 0.5 to 4 KB.
const MAX_PROFILE_BYTES: usize = 64 * 1024;

/// Why a file cannot become a picture. The text is for the person who uploaded it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    #[error("this is not a picture we can read. Please use JPEG, PNG, GIF or WebP.")]
    Unknown,
    #[error(
        "HEIC pictures cannot be read here. Please convert it to JPEG; on an iPhone, Settings > Camera > Formats > Most Compatible makes JPEG from now on."
    )]
    Heic,
    #[error(
        "the picture is too large: at most {max_megapixels} million pixels, and {} on the longer side. Please make it smaller.",
        MAX_SIDE
    )]
    TooLarge { max_megapixels: u64 },
    #[error("the picture is damaged and cannot be read. Please check that it opens on your device.")]
    Damaged(#[source] ImageError),
    /// Ours, not theirs: the file cannot be read, or the result not written.
    #[error("the picture could not be stored. Please try again later.")]
    Failed(#[source] ImageError),
}

/// A picture as it will be seen: turned upright, without transparency.
pub(crate) struct Picture {
    pixels: RgbImage,
    /// What the numbers mean; without it, photos of recent phones look pale.
    colour_profile: Option<Vec<u8>>,
}

/// A version of a picture, resized once.
pub(crate) struct Smaller<'a> {
    picture: &'a Picture,
    version: Version,
    pixels: Cow<'a, RgbImage>,
}

impl From<RgbImage> for Picture {
    fn from(pixels: RgbImage) -> Self {
        Self { pixels, colour_profile: None }
    }
}

impl Picture {
    /// Decodes a JPEG, PNG, GIF (its first frame) or WebP of at most `max_pixels`.
    pub(crate) fn decode(mut source: impl BufRead + Seek, max_pixels: u64) -> Result<Self, PictureError> {
        let format = recognise(&mut source).map_err(|error| PictureError::Failed(error.into()))??;
        let too_large = || PictureError::TooLarge { max_megapixels: max_pixels / 1_000_000 };
        let refuse = |error| if is_too_large(&error) { too_large() } else { PictureError::Damaged(error) };

        let mut reader = ImageReader::with_format(source, format);
        reader.limits(limits(max_pixels));
        let mut decoder = reader.into_decoder().map_err(refuse)?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > max_pixels || width.max(height) > MAX_SIDE {
            return Err(too_large());
        }
        // Damage in the extras is no reason to refuse the picture.
        let orientation = decoder.orientation().ok();
        let colour_profile = decoder.icc_profile().ok().flatten().filter(|profile| is_rgb_profile(profile));
        let mut image = DynamicImage::from_decoder(decoder).map_err(refuse)?;
        if let Some(orientation) = orientation {
            image.apply_orientation(orientation);
        }
        Ok(Self { pixels: on_white(image), colour_profile })
    }

    /// Writes the picture in its full size, as JPEG.
    pub(crate) fn write(&self, out: impl Write) -> Result<(), PictureError> {
        self.encode(&self.pixels, PICTURE_QUALITY, out)
    }

    /// Width and height of the picture in its full size.
    pub(crate) fn dimensions(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }

    /// Whether a version would be smaller than the picture itself.
    pub(crate) fn exceeds(&self, version: Version) -> bool {
        version.dimensions_of(self.dimensions()) != self.dimensions()
    }

    /// A version, never larger than the picture, to be written in one format or both.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn version(&self, version: Version) -> Result<Smaller<'_>, PictureError> {
        let pixels = if self.exceeds(version) {
            Cow::Owned(self.resized(version.dimensions_of(self.dimensions()))?)
        } else {
            Cow::Borrowed(&self.pixels)
        };
        Ok(Smaller { picture: self, version, pixels })
    }

    fn resized(&self, (width, height): (u32, u32)) -> Result<RgbImage, PictureError> {
        let failed = |error: &dyn std::fmt::Display| PictureError::Failed(io::Error::other(error.to_string()).into());
        let (own_width, own_height) = self.dimensions();
        let source =
            ImageRef::new(own_width, own_height, self.pixels.as_raw(), PixelType::U8x3).map_err(|error| failed(&error))?;
        let mut target = Image::new(width, height, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
        Resizer::new().resize(&source, &mut target, &options).map_err(|error| failed(&error))?;
        RgbImage::from_raw(width, height, target.into_vec()).ok_or_else(|| failed(&"a resized picture has the wrong size"))
    }

    fn encode(&self, pixels: &RgbImage, quality: u8, out: impl Write) -> Result<(), PictureError> {
        let mut encoder = JpegEncoder::new_with_quality(out, quality);
        if let Some(profile) = &self.colour_profile {
            let _ = encoder.set_icc_profile(profile.clone()); // the JPEG encoder takes every profile
        }
        encoder.write_image(pixels, pixels.width(), pixels.height(), ExtendedColorType::Rgb8).map_err(PictureError::Failed)
    }
}

/// Whether the large version of a picture of this size has more pixels than the small one.
pub(crate) fn has_two_sizes(size: (u32, u32)) -> bool {
    SMALL.dimensions_of(size).0 < LARGE.dimensions_of(size).0
}

impl Smaller<'_> {
    /// Writes it as JPEG.
    pub(crate) fn write_jpeg(&self, out: impl Write) -> Result<(), PictureError> {
        self.picture.encode(&self.pixels, self.version.quality, out)
    }

    /// Writes it as WebP.
    pub(crate) fn write_webp(&self, mut out: impl Write) -> Result<(), PictureError> {
        let file = webp::encode(&self.pixels, self.version.webp_quality, self.picture.colour_profile.as_deref());
        let written = file.map_err(io::Error::other).and_then(|file| out.write_all(&file));
        written.map_err(|error| PictureError::Failed(error.into()))
    }
}

impl Version {
    /// As large as allowed, in the picture's proportions.
    pub(crate) fn dimensions_of(self, (width, height): (u32, u32)) -> (u32, u32) {
        let scale = (f64::from(self.width) / f64::from(width)).min(f64::from(self.height) / f64::from(height)).min(1.0);
        let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
        (scaled(width), scaled(height))
    }
}

/// Looks at the first bytes, and goes back to the beginning.
fn recognise(source: &mut (impl Read + Seek)) -> std::io::Result<Result<ImageFormat, PictureError>> {
    let mut head = Vec::new();
    source.by_ref().take(32).read_to_end(&mut head)?;
    source.seek(SeekFrom::Start(0))?;
    let is_heic = head.get(4..8) == Some(b"ftyp")
        && matches!(head.get(8..12), Some(b"heic" | b"heix" | b"mif1" | b"msf1" | b"heim" | b"heis"));
    Ok(match image::guess_format(&head) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Gif | ImageFormat::WebP)) => Ok(format),
        _ if is_heic => Err(PictureError::Heic),
        _ => Err(PictureError::Unknown),
    })
}

fn limits(max_pixels: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(max_pixels * MAX_BYTES_PER_PIXEL);
    limits
}

fn is_too_large(error: &ImageError) -> bool {
    let ImageError::Limits(limit) = error else { return false };
    matches!(limit.kind(), LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory)
}

/// Only profiles for three colours fit what we write. Bytes 16 to 19: the profile's colour space (ICC.1, header).
fn is_rgb_profile(profile: &[u8]) -> bool {
    profile.len() <= MAX_PROFILE_BYTES && profile.get(16..20) == Some(b"RGB ")
}

/// JPEG has no transparency; white is what was behind the picture on most pages.
fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    let blend =
        |colour: u8, alpha: u8| ((u32::from(colour) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8;
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0;
        Rgb([red, green, blue].map(|colour| blend(colour, alpha)))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{Rgba, RgbaImage};

    use super::*;
    use crate::tests::jpeg_with_exif;

    fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
        Picture::decode(Cursor::new(bytes), 1_000_000)
    }

    fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        image.into().write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    #[test]
    fn the_four_formats_are_recognised_by_content() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
            let picture = decode(&encoded(RgbImage::new(3, 2), format)).unwrap();
            assert_eq!(picture.pixels.dimensions(), (3, 2), "{format:?}");
        }
    }

    #[test]
    fn a_photo_is_turned_upright_and_loses_its_camera_data() {
        let rotated = jpeg_with_exif(&RgbImage::new(40, 20), 6); // 6: turn by 90 degrees to see it upright
        let mut out = Vec::new();
        decode(&rotated).unwrap().write(&mut out).unwrap();
        assert!(rotated.windows(4).any(|bytes| bytes == b"Exif"));
        assert!(!out.windows(4).any(|bytes| bytes == b"Exif"));
        assert_eq!(image::load_from_memory(&out).unwrap().to_rgb8().dimensions(), (20, 40));
    }

    #[test]
    fn a_small_version_is_400_wide_and_never_larger_than_the_picture() {
        for (width, height, expected) in
            [(800, 600, (400, 300)), (30, 20, (30, 20)), (100, 3200, (50, 1600)), (9000, 1, (400, 1))]
        {
            let mut out = Vec::new();
            Picture::from(RgbImage::new(width, height)).version(SMALL).unwrap().write_jpeg(&mut out).unwrap();
            assert_eq!(image::load_from_memory(&out).unwrap().to_rgb8().dimensions(), expected);
            let mut out = Vec::new();
            Picture::from(RgbImage::new(width, height)).version(SMALL).unwrap().write_webp(&mut out).unwrap();
            assert_eq!(image::load_from_memory(&out).unwrap().to_rgb8().dimensions(), expected);
        }
    }

    #[test]
    fn a_large_version_is_1600_on_its_longer_side() {
        for (size, expected) in [((3200, 1600), (1600, 800)), ((1000, 2000), (800, 1600)), ((1600, 100), (1600, 100))] {
            let picture = Picture::from(RgbImage::new(size.0, size.1));
            assert_eq!(LARGE.dimensions_of(picture.dimensions()), expected);
            assert_eq!(picture.exceeds(LARGE), size != expected);
            assert!(has_two_sizes(size));
        }
        assert!(!has_two_sizes((400, 300)) && !has_two_sizes((100, 9000)));
    }

    #[test]
    fn a_version_keeps_its_colours() {
        let mut out = Vec::new();
        Picture::from(RgbImage::from_pixel(1000, 500, Rgb([200, 90, 30]))).version(SMALL).unwrap().write_jpeg(&mut out).unwrap();
        let small = image::load_from_memory(&out).unwrap().to_rgb8();
        let [red, green, blue] = small.get_pixel(200, 100).0;
        assert!(red.abs_diff(200) < 4 && green.abs_diff(90) < 4 && blue.abs_diff(30) < 4, "{red} {green} {blue}");
    }

    #[test]
    fn transparent_is_white() {
        let half = RgbaImage::from_pixel(1, 1, Rgba([0, 0, 0, 127]));
        assert_eq!(on_white(half.into()).get_pixel(0, 0).0, [128, 128, 128]);
    }

    #[test]
    fn too_many_pixels_are_refused_before_decoding() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
            let refused = decode(&encoded(RgbImage::new(1001, 1000), format));
            assert!(matches!(refused, Err(PictureError::TooLarge { max_megapixels: 1 })), "{format:?}");
        }
    }

    #[test]
    fn what_is_no_picture_is_told_apart() {
        assert!(matches!(decode(b"hello, this is text"), Err(PictureError::Unknown)));
        assert!(matches!(decode(b""), Err(PictureError::Unknown)));
        assert!(matches!(decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), Err(PictureError::Heic)));
        let whole = encoded(RgbImage::new(64, 64), ImageFormat::Png);
        assert!(matches!(decode(&whole[..whole.len() / 2]), Err(PictureError::Damaged(_))));
    }

    #[test]
    fn only_a_colour_profile_for_three_colours_is_kept() {
        let mut profile = vec![0; 128];
        profile[16..20].copy_from_slice(b"RGB ");
        assert!(is_rgb_profile(&profile));
        profile[16..20].copy_from_slice(b"CMYK");
        assert!(!is_rgb_profile(&profile));
        assert!(!is_rgb_profile(b""));
    }
}
