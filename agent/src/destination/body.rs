//! The body of a request, written straight into one buffer.
//!
//! Pure logic. The SDK would make three copies of each record (a text in base64, a value, the JSON) and an allocation for
//! each; here a record is encoded once, where it is sent from.
//!
//! ```json
//! {"StreamName":"web","Records":[{"Data":"bGluZQo=","PartitionKey":"17"},{"Data":"bW9yZQo=","PartitionKey":"4"}]}
//! {"DeliveryStreamName":"web","Records":[{"Data":"bGluZQo="},{"Data":"bW9yZQo="}]}
//! ```
//!
//! Format: the API references of Kinesis (PutRecords) and Firehose (PutRecordBatch), protocol AWS JSON 1.1.

use std::sync::Mutex;

use bytes::Bytes;
use serde_json::Value;

use super::base64;
use crate::record::Record;

/// Bytes of JSON around a record's data: the names, the quotes, and room for an ordinary key.
pub(crate) const AROUND_RECORD: usize = 64;

/// How the body of one destination's requests looks.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Everything before the first record.
    head: Vec<u8>,
    has_keys: bool,
}

impl Layout {
    /// PutRecords. The stream is named by `field`: `StreamName` or `StreamARN`.
    pub(crate) fn put_records(field: &str, stream: &str) -> Self {
        Self::new(field, stream, true)
    }

    /// PutRecordBatch.
    pub(crate) fn put_record_batch(stream: &str) -> Self {
        Self::new("DeliveryStreamName", stream, false)
    }

    /// Either of them.
    fn new(field: &str, stream: &str, has_keys: bool) -> Self {
        let stream = Value::from(stream); // escapes what needs it
        Self { head: format!(r#"{{"{field}":{stream},"Records":["#).into_bytes(), has_keys }
    }

    /// Replaces `out` with a body of these records.
    pub(crate) fn write(&self, records: &[Record], out: &mut Vec<u8>) {
        out.clear();
        let data: usize = records.iter().map(|record| base64::encoded_len(record.data.len())).sum();
        // Exact, because this stays allocated: doubling would keep twice of what is ever needed.
        out.reserve_exact(self.head.len() + data + records.len() * AROUND_RECORD);
        out.extend_from_slice(&self.head);
        for record in records {
            out.extend_from_slice(br#"{"Data":""#);
            base64::push(&record.data, out);
            if self.has_keys {
                out.extend_from_slice(br#"","PartitionKey":""#);
                record.key.write(out);
            }
            out.extend_from_slice(br#""},"#);
        }
        if !records.is_empty() {
            out.pop(); // the comma
        }
        out.extend_from_slice(b"]}");
    }
}

/// Buffers for bodies, used again and again: a fresh one of this size costs a page fault for every 4 KiB.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// Larger ones are not kept: a fresh one costs little beside what fills it, and memory stays small.
    const MAX_KEPT_BYTES: usize = 1024 * 1024;

    /// An empty buffer.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.free().pop().unwrap_or_default()
    }

    /// Takes back a body nobody else holds.
    pub(crate) fn give_back(&self, body: Bytes) {
        if body.is_unique() && body.len() <= Self::MAX_KEPT_BYTES {
            self.free().push(body.into());
        }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) // any list of buffers is as good as another
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_kinesis::{
        Client,
        config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
        error::BoxError,
        primitives::Blob,
        types::PutRecordsRequestEntry,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{
        record::{FileId, PartitionKey},
        testing,
    };

    /// Keeps what the SDK wrote, and stops it before it sends.
    #[derive(Debug, Clone, Default)]
    struct Capture(Arc<Mutex<Vec<u8>>>);

    impl Intercept for Capture {
        fn name(&self) -> &'static str {
            "Capture"
        }

        fn read_before_transmit(
            &self,
            context: &BeforeTransmitInterceptorContextRef<'_>,
            _components: &RuntimeComponents,
            _config: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            *self.0.lock().unwrap() = context.request().body().bytes().unwrap().to_vec();
            Err("stop here".into())
        }
    }

    fn written_by_the_sdk(client: &Client, stream: &str, records: &[Record]) -> Value {
        let entry = |record: &Record| {
            let entry = PutRecordsRequestEntry::builder().data(Blob::new(record.data.clone()));
            entry.partition_key(record.key.to_string()).build().unwrap()
        };
        let capture = Capture::default();
        let request = client.put_records().stream_name(stream).set_records(Some(records.iter().map(entry).collect()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(request.customize().interceptor(capture.clone()).send()).unwrap_err();
        serde_json::from_slice(&capture.0.lock().unwrap()).unwrap()
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let key = prop_oneof![
            any::<u32>().prop_map(PartitionKey::Random),
            (0_u32..12).prop_map(PartitionKey::Random),
            any::<[u8; 16]>().prop_map(PartitionKey::Md5),
            ".{1,20}".prop_map(|text| PartitionKey::Text(text.into()))
        ];
        (prop::collection::vec(any::<u8>(), 0..300), key).prop_map(|(data, key)| Record {
            data: data.into(),
            key,
            file: FileId(0),
            end: 0,
            line_bytes: 0,
            packed: None,
        })
    }

    proptest! {
        #[test]
        fn the_body_says_what_the_sdk_would_have_written(
            records in prop::collection::vec(any_record(), 0..20),
            stream in "[a-zA-Z0-9_.-]{1,20}",
        ) {
            let client = testing::client("http://127.0.0.1:9");
            let mut body = vec![b'x'; 100];
            Layout::put_records("StreamName", &stream).write(&records, &mut body);
            let body: Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(body, written_by_the_sdk(&client, &stream, &records));
        }
    }

    #[test]
    fn a_stream_s_name_is_escaped() {
        let mut body = Vec::new();
        Layout::put_records("StreamName", "a\"b").write(&[], &mut body);
        assert_eq!(body, br#"{"StreamName":"a\"b","Records":[]}"#);
    }

    #[test]
    fn records_without_keys_are_written_as_firehose_takes_them() {
        let record = |text: &'static str| Record {
            data: Bytes::from_static(text.as_bytes()),
            key: PartitionKey::Random(1),
            file: FileId(0),
            end: 0,
            line_bytes: 0,
            packed: None,
        };
        let mut body = Vec::new();
        Layout::put_record_batch("d").write(&[record("line\n"), record("more\n")], &mut body);
        assert_eq!(body, br#"{"DeliveryStreamName":"d","Records":[{"Data":"bGluZQo="},{"Data":"bW9yZQo="}]}"#);
    }

    #[test]
    fn a_buffer_is_used_again_unless_somebody_holds_it_or_it_is_large() {
        let buffers = Buffers::default();
        let mut first = buffers.take();
        first.extend_from_slice(&[1; 5000]);
        let address = first.as_ptr();
        buffers.give_back(Bytes::from(first));
        let again = buffers.take();
        assert_eq!(again.as_ptr(), address);

        let held = Bytes::from(again);
        let holder = held.clone();
        buffers.give_back(held);
        assert_eq!(buffers.take().capacity(), 0);
        drop(holder);
        buffers.give_back(Bytes::from(vec![1; Buffers::MAX_KEPT_BYTES + 1]));
        assert_eq!(buffers.take().capacity(), 0);
    }
}
