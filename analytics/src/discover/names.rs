//! Names of columns: those of the fields, unless SQL has a use for them.
//!
//! Rules: "Using the Schema Discovery Feature" in the service's developer guide. A reserved word, a character that is not of
//! names, a digit in front, or more than 100 characters: the name begins with `COL_`, without such characters. Real programs
//! name `COL_timestamp` and `COL_time`.

use std::collections::HashSet;

use crate::sql::FieldPath;

/// Longer names are cut, with the prefix.
const MAX_CHARACTERS: usize = 100;
const PREFIX: &str = "COL_";

/// A name for each path; no two are the same.
pub(super) fn of_paths(paths: &[FieldPath]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut nameless = 0;
    paths
        .iter()
        .map(|path| {
            let leaf = path.below().last().map_or(path.key(), String::as_str);
            let name = cleaned(leaf).unwrap_or_else(|| {
                nameless += 1;
                format!("{PREFIX}{}", nameless - 1)
            });
            let name = if taken.contains(&name) { distinct(path, &name, &taken) } else { name };
            taken.insert(name.clone());
            name
        })
        .collect()
}

/// The outer key too, if that makes it another name; else a number.
fn distinct(path: &FieldPath, name: &str, taken: &HashSet<String>) -> String {
    let keys: Vec<&str> = std::iter::once(path.key()).chain(path.below().iter().map(String::as_str)).collect();
    let longer = cleaned(&keys.join("_")).unwrap_or_else(|| name.to_owned());
    if !taken.contains(&longer) {
        return longer;
    }
    let base: String = longer.chars().take(MAX_CHARACTERS).collect();
    let mut numbers = 2u32..;
    numbers.by_ref().map(|number| format!("{base}_{number}")).find(|name| !taken.contains(name)).unwrap_or(base)
}

/// None when no character is left.
fn cleaned(key: &str) -> Option<String> {
    let is_legal = |character: &char| character.is_alphanumeric() || *character == '_';
    let kept: String = key.chars().filter(is_legal).collect();
    if kept.is_empty() {
        return None;
    }
    let is_good = kept == key
        && !kept.starts_with(|character: char| character.is_numeric())
        && kept.chars().count() <= MAX_CHARACTERS
        && !is_reserved(&kept);
    Some(if is_good { kept } else { PREFIX.chars().chain(kept.chars()).take(MAX_CHARACTERS).collect() })
}

fn is_reserved(name: &str) -> bool {
    let upper = name.to_uppercase();
    RESERVED.split_whitespace().any(|word| word == upper)
}

/// Source: "Reserved Words and Keywords" in the service's SQL reference.
const RESERVED: &str = "
    ABS ALL ALLOCATE ALLOW ALTER ANALYZE AND ANY APPROXIMATE_ARRIVAL_TIME ARE ARRAY AS ASENSITIVE ASYMMETRIC AT ATOMIC
    AUTHORIZATION AVG BEGIN BETWEEN BIGINT BINARY BIT BLOB BOOLEAN BOTH BY CALL CALLED CARDINALITY CASCADED CASE CAST CEIL
    CEILING CHAR CHARACTER CHARACTER_LENGTH CHAR_LENGTH CHECK CHECKPOINT CLOB CLOSE CLUSTERED COALESCE COLLATE COLLECT COLUMN
    COMMIT CONDITION CONNECT CONSTRAINT CONVERT CORR CORRESPONDING COUNT COVAR_POP COVAR_SAMP CREATE CROSS CUBE CUME_DIST
    CURRENT CURRENT_CATALOG CURRENT_DATE CURRENT_DEFAULT_TRANSFORM_GROUP CURRENT_PATH CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME
    CURRENT_TIMESTAMP CURRENT_TRANSFORM_GROUP_FOR_TYPE CURRENT_USER CURSOR CYCLE DATE DAY DEALLOCATE DEC DECIMAL DECLARE
    DEFAULT DELETE DENSE_RANK DEREF DESCRIBE DETERMINISTIC DISALLOW DISCONNECT DISTINCT DOUBLE DROP DYNAMIC EACH ELEMENT ELSE
    END ESCAPE EVERY EXCEPT EXEC EXECUTE EXISTS EXP EXPLAIN EXP_AVG EXTERNAL EXTRACT FALSE FETCH FILTER FIRST_VALUE FLOAT
    FLOOR FOR FOREIGN FREE FROM FULL FUNCTION FUSION GET GLOBAL GRANT GROUP GROUPING HAVING HOLD HOUR IDENTITY IGNORE IMPORT
    IN INDICATOR INITCAP INNER INOUT INSENSITIVE INSERT INT INTEGER INTERSECT INTERSECTION INTERVAL INTO IS JOIN LANGUAGE
    LARGE LAST_VALUE LATERAL LEADING LEFT LIKE LIMIT LN LOCAL LOCALTIME LOCALTIMESTAMP LOWER MATCH MAX MEMBER MERGE METHOD MIN
    MINUTE MOD MODIFIES MODULE MONTH MULTISET NATIONAL NATURAL NCHAR NCLOB NEW NO NODE NONE NORMALIZE NOT NTH_VALUE NULL
    NULLIF NUMERIC OCTET_LENGTH OF OLD ON ONLY OPEN OR ORDER OUT OUTER OVER OVERLAPS OVERLAY PARAMETER PARTITION PARTITION_ID
    PARTITION_KEY PERCENTILE_CONT PERCENTILE_DISC PERCENT_RANK POSITION POWER PRECISION PREPARE PRIMARY PROCEDURE RANGE RANK
    READS REAL RECURSIVE REF REFERENCES REFERENCING REGR_AVGX REGR_AVGY REGR_COUNT REGR_INTERCEPT REGR_R2 REGR_SLOPE REGR_SXX
    REGR_SXY RELEASE RESPECT RESULT RETURN RETURNS REVOKE RIGHT ROLLBACK ROLLUP ROW ROWS ROWTIME ROW_NUMBER SAVEPOINT SCOPE
    SCROLL SEARCH SECOND SELECT SENSITIVE SEQUENCE_NUMBER SESSION_USER SET SHARD_ID SIMILAR SMALLINT SOME SORT SPECIFIC
    SPECIFICTYPE SQL SQLEXCEPTION SQLSTATE SQLWARNING SQRT START STATIC STDDEV STDDEV_POP STDDEV_SAMP STOP STREAM SUBMULTISET
    SUBSTRING SUM SYMMETRIC SYSTEM SYSTEM_USER TABLE TABLESAMPLE THEN TIME TIMESTAMP TIMEZONE_HOUR TIMEZONE_MINUTE TINYINT TO
    TRAILING TRANSLATE TRANSLATION TREAT TRIGGER TRIM TRUE TRUNCATE UESCAPE UNION UNIQUE UNKNOWN UNNEST UPDATE UPPER USER USING
    VALUE VALUES VARBINARY VARCHAR VARYING VAR_POP VAR_SAMP WHEN WHENEVER WHERE WIDTH_BUCKET WINDOW WITH WITHIN WITHOUT YEAR";

#[cfg(test)]
mod tests {
    use super::*;

    fn named(keys: &[&[&str]]) -> Vec<String> {
        let path = |keys: &&[&str]| FieldPath::new(keys.iter().map(|key| (*key).to_owned()).collect()).unwrap();
        of_paths(&keys.iter().map(path).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_renamed_as_the_service_did() {
        let keys: [&[&str]; 8] =
            [&["USER"], &["USER@DOMAIN"], &["@@"], &["timestamp"], &["2nd"], &["client_ip"], &["%"], &["store-id"]];
        let expected = ["COL_USER", "COL_USERDOMAIN", "COL_0", "COL_timestamp", "COL_2nd", "client_ip", "COL_1", "COL_storeid"];
        assert_eq!(named(&keys), expected);
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = "n".repeat(101);
        assert_eq!(named(&[&[&long]]), [format!("COL_{}", "n".repeat(96))]);
        assert_eq!(named(&[&[&long[..100]]]), [&long[..100]]);
    }

    #[test]
    fn an_inner_field_has_its_own_name_and_the_outer_one_when_that_is_taken() {
        assert_eq!(named(&[&["a", "id"], &["b", "id"], &["b_id"], &["id"]]), ["id", "b_id", "b_id_2", "id_2"]);
    }

    proptest::proptest! {
        #[test]
        fn all_names_are_different_and_of_the_dialect(keys in proptest::collection::hash_set("[a1@ \"é_]{0,3}|user", 0..20)) {
            let paths: Vec<FieldPath> = keys.iter().map(|key| FieldPath::of(key)).collect();
            let names = of_paths(&paths);
            proptest::prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), paths.len());
            proptest::prop_assert!(names.iter().all(|name| !name.is_empty() && !name.contains('"')));
        }
    }
}
