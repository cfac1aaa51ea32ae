//! The types of columns.

use std::fmt;

use arrow::datatypes::{DataType, TimeUnit};

/// A column's type, as the dialect declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlType {
    Boolean,
    TinyInt,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    /// Digits, and how many of them stand behind the point.
    Decimal(u8, i8),
    /// The most characters; longer text is cut.
    Varchar(u32),
    /// The most bytes; longer values are cut.
    Varbinary(u32),
    Date,
    Time,
    Timestamp,
}

/// The most digits of a DECIMAL. Source: "Data types" in the service's SQL reference.
const MAX_DIGITS: u32 = 19;
/// The most characters of a VARCHAR.
const MAX_LENGTH: u32 = 65_535;

impl SqlType {
    /// The type that a name and the numbers behind it mean.
    ///
    /// # Errors
    /// What is wrong: no such type, or a number out of its range.
    pub(crate) fn parse(name: &str, numbers: &[u32]) -> Result<Self, String> {
        match (name, numbers) {
            ("BOOLEAN", []) => Ok(Self::Boolean),
            ("TINYINT", []) => Ok(Self::TinyInt),
            ("SMALLINT", []) => Ok(Self::SmallInt),
            ("INTEGER" | "INT", []) => Ok(Self::Integer),
            ("BIGINT", []) => Ok(Self::BigInt),
            ("REAL", []) => Ok(Self::Real),
            ("DOUBLE" | "FLOAT" | "DOUBLE PRECISION", []) => Ok(Self::Double),
            ("DECIMAL" | "DEC" | "NUMERIC", _) => decimal(name, numbers),
            ("VARCHAR" | "CHAR" | "CHARACTER" | "CHARACTER VARYING", _) => Ok(Self::Varchar(length(name, numbers)?)),
            ("BINARY" | "VARBINARY", _) => Ok(Self::Varbinary(length(name, numbers)?)),
            ("DATE", []) => Ok(Self::Date),
            ("TIME", [] | [_]) => Ok(Self::Time),
            ("TIMESTAMP", [] | [_]) => Ok(Self::Timestamp),
            ("INTERVAL", _) => Err("INTERVAL is no type of a column; keep a BIGINT of milliseconds".to_owned()),
            _ if KNOWN.contains(&name) => Err(format!("{name} takes no numbers")),
            _ => Err(format!("there is no type {name}")),
        }
    }

    /// The type of the values in memory. Timestamps are in UTC, to the millisecond.
    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Self::Varchar(_) => DataType::Utf8View,
            Self::Varbinary(_) => DataType::BinaryView,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time32(TimeUnit::Millisecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        }
    }
}

/// Types that a wrong one is compared with.
pub(super) const KNOWN: [&str; 15] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "REAL",
    "DOUBLE",
    "FLOAT",
    "DECIMAL",
    "NUMERIC",
    "VARCHAR",
    "CHAR",
    "DATE",
    "TIME",
    "TIMESTAMP",
];

fn decimal(name: &str, numbers: &[u32]) -> Result<SqlType, String> {
    let (precision, scale) = match *numbers {
        [] => (MAX_DIGITS, 0),
        [precision] => (precision, 0),
        [precision, scale] => (precision, scale),
        _ => return Err(format!("{name} takes at most two numbers")),
    };
    if precision == 0 || precision > MAX_DIGITS || scale > precision {
        return Err(format!("{name} has 1 to {MAX_DIGITS} digits, and no more than those behind the point"));
    }
    Ok(SqlType::Decimal(precision as u8, scale as i8)) // both at most 19
}

fn length(name: &str, numbers: &[u32]) -> Result<u32, String> {
    match *numbers {
        [] => Ok(1), // as the standard has it
        [length] if (1..=MAX_LENGTH).contains(&length) => Ok(length),
        _ => Err(format!("{name} has one length, 1 to {MAX_LENGTH}")),
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => out.write_str("BOOLEAN"),
            Self::TinyInt => out.write_str("TINYINT"),
            Self::SmallInt => out.write_str("SMALLINT"),
            Self::Integer => out.write_str("INTEGER"),
            Self::BigInt => out.write_str("BIGINT"),
            Self::Real => out.write_str("REAL"),
            Self::Double => out.write_str("DOUBLE"),
            Self::Decimal(precision, scale) => write!(out, "DECIMAL({precision},{scale})"),
            Self::Varchar(length) => write!(out, "VARCHAR({length})"),
            Self::Varbinary(length) => write!(out, "VARBINARY({length})"),
            Self::Date => out.write_str("DATE"),
            Self::Time => out.write_str("TIME"),
            Self::Timestamp => out.write_str("TIMESTAMP"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_their_ranges() {
        assert_eq!(SqlType::parse("VARCHAR", &[16]), Ok(SqlType::Varchar(16)));
        assert_eq!(SqlType::parse("DECIMAL", &[10, 2]), Ok(SqlType::Decimal(10, 2)));
        for (name, numbers) in [("VARCHAR", &[0][..]), ("VARCHAR", &[65_536]), ("DECIMAL", &[20]), ("DECIMAL", &[4, 5])] {
            assert!(SqlType::parse(name, numbers).is_err(), "{name} {numbers:?}");
        }
        assert_eq!(SqlType::parse("INTEGER", &[4]), Err("INTEGER takes no numbers".to_owned()));
        assert_eq!(SqlType::parse("STRING", &[]), Err("there is no type STRING".to_owned()));
    }
}
