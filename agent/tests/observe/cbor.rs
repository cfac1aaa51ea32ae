//! Enough of CBOR (RFC 8949) to read what the SDK sends to CloudWatch. moto 5.2 does not know that protocol's paths.

use serde_json::{Map, Value};

/// The one value in `bytes`. Byte strings are not there, tags are left out.
pub(crate) fn decode(bytes: &[u8]) -> Value {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value().expect("a value");
    assert_eq!(reader.at, bytes.len(), "something stands behind the value");
    value
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> &[u8] {
        self.at += length;
        &self.bytes[self.at - length..self.at]
    }

    fn number(&mut self, size: u32) -> u64 {
        self.take(1 << size).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// None is the end of something of unknown length.
    fn value(&mut self) -> Option<Value> {
        let first = self.take(1)[0];
        let (kind, small) = (first >> 5, first & 31);
        if kind == 7 {
            return self.simple(small);
        }
        let argument = match small {
            0..24 => Some(u64::from(small)),
            24..28 => Some(self.number(u32::from(small) - 24)),
            31 => None,
            other => panic!("{other} is no length"),
        };
        Some(match kind {
            0 => argument.unwrap().into(),
            1 => (-1 - i64::try_from(argument.unwrap()).unwrap()).into(),
            3 => String::from_utf8(self.take(usize::try_from(argument.unwrap()).unwrap()).to_vec()).unwrap().into(),
            4 => (0..argument.unwrap_or(u64::MAX)).map_while(|_| self.value()).collect(),
            5 => {
                let pairs = (0..argument.unwrap_or(u64::MAX)).map_while(|_| {
                    let key = self.value()?;
                    Some((key.as_str().unwrap().to_owned(), self.value().unwrap()))
                });
                Value::Object(pairs.collect::<Map<_, _>>())
            }
            6 => self.value().unwrap(),
            other => panic!("kind {other} is not expected"),
        })
    }

    fn simple(&mut self, small: u8) -> Option<Value> {
        match small {
            20 | 21 => Some((small == 21).into()),
            22 => Some(Value::Null),
            26 => Some(f32::from_bits(u32::try_from(self.number(2)).unwrap()).into()),
            27 => Some(f64::from_bits(self.number(3)).into()),
            31 => None,
            other => panic!("{other} is not expected"),
        }
    }
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    assert_eq!(decode(b"\xbf\x63Fun\xf5\x63Amt\x21\xff"), serde_json::json!({"Fun": true, "Amt": -2}));
    assert_eq!(decode(b"\x83\x01\x82\x02\x03\x9f\x04\x05\xff"), serde_json::json!([1, [2, 3], [4, 5]]));
    assert_eq!(decode(b"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"), serde_json::json!(1.1));
    assert_eq!(decode(b"\xc1\x1a\x51\x4b\x67\xb0"), serde_json::json!(1_363_896_240));
}
