//! Texts that rows are grouped by, as numbers: looked up once by the decoder, and numbers from there to the end of a window.
//!
//! ```text
//! decoder threads, a Coder each ──codes──▶ engine ──codes of groups──▶ texts again
//!          └── what is new to it ──▶ Dictionary, shared by all ◀────────┘
//! ```
//!
//! A dictionary only grows. Full, it is left to those that hold codes of it, and another one follows, unless its texts
//! were hardly ever seen twice: then numbers are no gain, and rows come with texts from there on.

mod coder;
mod order;
mod short;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringViewArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

pub(crate) use coder::{Coder, Key};
use order::Order;

/// The type of a column of codes.
pub(crate) const CODE: DataType = DataType::UInt32;

/// These columns of codes, the others as they are.
pub(crate) fn coded_schema(schema: &Schema, columns: &[usize]) -> SchemaRef {
    let coded = |(index, field): (usize, &Arc<Field>)| {
        if columns.contains(&index) { Arc::new(field.as_ref().clone().with_data_type(CODE)) } else { field.clone() }
    };
    Arc::new(Schema::new(schema.fields().iter().enumerate().map(coded).collect::<Vec<_>>()))
}

type Codes<Key> = HashMap<Key, u32, foldhash::fast::RandomState>;

/// Texts and their numbers. Invariant: a text keeps its number.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    entries: Mutex<Entries>,
    /// Rows that were coded with it.
    rows: AtomicU64,
}

#[derive(Debug, Default)]
struct Entries {
    codes: Codes<Arc<str>>,
    /// By code.
    texts: Vec<Arc<str>>,
    /// Bytes in the texts.
    bytes: usize,
    order: Order,
}

impl Dictionary {
    /// The number of a text, and the text to keep it by.
    fn code(&self, text: &str) -> (u32, Arc<str>) {
        let mut entries = self.lock();
        if let Some((text, code)) = entries.codes.get_key_value(text) {
            return (*code, text.clone());
        }
        let code = u32::try_from(entries.texts.len()).expect("a dictionary is full long before");
        let shared: Arc<str> = text.into();
        entries.codes.insert(shared.clone(), code);
        entries.bytes += text.len();
        entries.texts.push(shared.clone());
        (code, shared)
    }

    /// Rows of another schema in this one: what is text there and a code in `rows` becomes text.
    ///
    /// # Errors
    /// When the schemas differ in more than that.
    pub(crate) fn decode(&self, rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let column = |(field, column): (&Arc<Field>, &ArrayRef)| -> ArrayRef {
            let is_coded = *column.data_type() == CODE && *field.data_type() == DataType::Utf8View;
            if is_coded { Arc::new(self.texts(column.as_primitive())) } else { column.clone() }
        };
        let columns = schema.fields().iter().zip(rows.columns()).map(column).collect();
        RecordBatch::try_new(schema.clone(), columns)
    }

    /// Rows in the order of the texts of their first codes, or as they are when that would cost more than it is worth.
    ///
    /// # Errors
    /// None that are known.
    pub(crate) fn sort(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns = rows.columns().iter();
        let Some(codes) = columns.find(|column| *column.data_type() == CODE) else { return Ok(rows.clone()) };
        let mut entries = self.lock();
        let Entries { texts, order, .. } = &mut *entries;
        if rows.num_rows() * TEXTS_TO_A_ROW < texts.len() {
            return Ok(rows.clone());
        }
        order.learn(texts);
        let order = order.rows(codes.as_primitive());
        drop(entries);
        take_record_batch(rows, &order)
    }

    /// Texts of their own for these codes: a view of all texts would keep all of them as long as the rows.
    fn texts(&self, codes: &UInt32Array) -> StringViewArray {
        let Entries { texts, .. } = &*self.lock();
        codes.iter().map(|code| code.map(|code| &*texts[code as usize])).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much a dictionary takes before another one follows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) texts: usize,
    /// In the texts.
    pub(crate) bytes: usize,
}

impl Room {
    /// A window's clients in memory that nobody misses. A chunk that has begun goes on, so there may be more.
    pub(crate) const USUAL: Self = Self { texts: 1 << 18, bytes: 1 << 24 };
}

/// Texts to a row above which rows are not sorted by the order of all texts, which new ones change.
const TEXTS_TO_A_ROW: usize = 16;

/// Rows to a text below which numbers are no gain.
const ROWS_TO_A_TEXT: u64 = 4;

/// The dictionaries of an input, one after the other.
#[derive(Debug)]
pub(crate) struct Dictionaries {
    room: Room,
    /// None: numbers are no gain.
    current: Mutex<Option<Arc<Dictionary>>>,
}

impl Dictionaries {
    pub(crate) fn new(room: Room) -> Arc<Self> {
        Arc::new(Self { room, current: Mutex::new(Some(Arc::default())) })
    }

    /// The dictionary for the next chunk; None when texts are better.
    fn current(&self) -> Option<Arc<Dictionary>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dictionary) = &*current {
            let (texts, bytes) = {
                let entries = dictionary.lock();
                (entries.texts.len(), entries.bytes)
            };
            if texts >= self.room.texts || bytes >= self.room.bytes {
                let is_gain = dictionary.rows.load(Ordering::Relaxed) >= ROWS_TO_A_TEXT * texts as u64;
                *current = is_gain.then(Arc::default);
            }
        }
        current.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(dictionary: &Dictionary, codes: Vec<Option<u32>>) -> Vec<Option<String>> {
        let schema = |data_type| Arc::new(Schema::new(vec![Field::new("a", data_type, true)]));
        let rows = RecordBatch::try_new(schema(CODE), vec![Arc::new(UInt32Array::from(codes))]).unwrap();
        let texts = dictionary.decode(&rows, &schema(DataType::Utf8View)).unwrap();
        texts.column(0).as_string_view().iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn a_text_keeps_its_number_while_others_come() {
        let dictionary = Dictionary::default();
        let codes = ["a", "b", "a", ""].map(|text| dictionary.code(text).0);
        assert_eq!(codes, [0, 1, 0, 2]);
        assert_eq!(decoded(&dictionary, vec![Some(1), None, Some(2)]), [Some("b".to_owned()), None, Some(String::new())]);
        assert_eq!((dictionary.code("c").0, dictionary.code("a").0), (3, 0));
        assert_eq!(decoded(&dictionary, vec![Some(3), Some(0)]), [Some("c".to_owned()), Some("a".to_owned())]);
    }

    #[test]
    fn only_the_columns_that_are_asked_for_are_codes() {
        let text = |name| Field::new(name, DataType::Utf8View, true);
        let schema = coded_schema(&Schema::new(vec![text("a"), text("b")]), &[1]);
        assert_eq!(schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>(), [DataType::Utf8View, CODE]);
    }
}
