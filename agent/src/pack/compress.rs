//! Compresses the joined lines of a record. The state of a compressor is made once for each flow.

use bytes::Bytes;
use flate2::{Compress, Crc, FlushCompress, Status};

use super::lines::Content;

/// Bytes by which data that cannot be compressed grows at most: five for each block of deflate, and the frame; far more
/// than zstd's. For a line of a mebibyte.
pub(super) const OVERHEAD_BYTES: usize = 8 * 1024;

/// Memory of a compressor, about: zstd's at its highest level here for contents of a megabyte.
pub(super) const STATE_BYTES: usize = 16 * 1024 * 1024;

/// How records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// RFC 1952.
    Gzip {
        /// 1 to 9.
        level: u32,
    },
    /// RFC 8878.
    Zstd {
        /// 1 to 19.
        level: u32,
    },
}

/// Compresses one record after the other.
pub(super) enum Compressor {
    Gzip(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
    /// zstd could not allocate its state: lines are sent as they are rather than not at all.
    None,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Compressor")
    }
}

impl Compressor {
    pub(super) fn new(compression: Compression) -> Self {
        match compression {
            Compression::Gzip { level } => Self::Gzip(Compress::new(flate2::Compression::new(level), false)),
            Compression::Zstd { level } => {
                zstd::bulk::Compressor::new(i32::try_from(level).unwrap_or(3)).map_or(Self::None, Self::Zstd)
            }
        }
    }

    /// The compressed bytes and how they are to be read; the bytes themselves should the compressor fail.
    pub(super) fn compress(&mut self, data: &[u8]) -> (Bytes, Content) {
        let compressed = match self {
            Self::Gzip(deflate) => gzip(deflate, data).map(|compressed| (compressed, Content::Gzip)),
            Self::Zstd(zstd) => zstd.compress(data).ok().map(|compressed| (compressed, Content::Zstd)),
            Self::None => None,
        };
        let (compressed, content) = compressed.unwrap_or_else(|| (data.to_vec(), Content::Plain));
        (Bytes::from(compressed), content)
    }
}

/// One member: header without name and time, deflate, CRC and length.
fn gzip(deflate: &mut Compress, data: &[u8]) -> Option<Vec<u8>> {
    deflate.reset();
    // The most deflate can take, so that one call is enough.
    let mut out = Vec::with_capacity(data.len() + data.len() / 1000 * 5 + 256);
    out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]); // 255: no particular system
    if deflate.compress_vec(data, &mut out, FlushCompress::Finish).ok()? != Status::StreamEnd {
        return None;
    }
    let mut crc = Crc::new();
    crc.update(data);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&(data.len() as u32).to_le_bytes()); // modulo 2^32, as the format has it
    out.shrink_to_fit();
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rand::RngCore as _;

    use super::*;

    const ALL: [Compression; 4] = [
        Compression::Gzip { level: 1 },
        Compression::Gzip { level: 9 },
        Compression::Zstd { level: 1 },
        Compression::Zstd { level: 19 },
    ];

    fn opened(data: &[u8], content: Content) -> Vec<u8> {
        let mut out = Vec::new();
        match content {
            Content::Gzip => flate2::read::GzDecoder::new(data).read_to_end(&mut out).unwrap(),
            Content::Zstd => zstd::Decoder::new(data).unwrap().read_to_end(&mut out).unwrap(),
            Content::Plain => panic!("not compressed"),
        };
        out
    }

    #[test]
    fn what_is_compressed_unfolds_again_and_the_state_is_fresh_each_time() {
        for compression in ALL {
            let mut compressor = Compressor::new(compression);
            for data in [&b"one\ntwo\n"[..], b"", &[b'x'; 100_000]] {
                let (compressed, content) = compressor.compress(data);
                assert_eq!(opened(&compressed, content), data);
            }
        }
    }

    #[test]
    fn noise_grows_by_no_more_than_the_overhead() {
        let mut noise = vec![0; 1024 * 1024];
        rand::rng().fill_bytes(&mut noise);
        for compression in ALL {
            let (compressed, content) = Compressor::new(compression).compress(&noise);
            assert!(compressed.len() <= noise.len() + OVERHEAD_BYTES && content != Content::Plain, "{compression:?}");
        }
    }
}
