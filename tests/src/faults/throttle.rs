//! Refuses some records of a PutRecords request, as AWS does: status 200, an error code in their place.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A request cut in two.
pub(super) struct Split {
    /// The body without the refused records; None when none is left.
    pub(super) rest: Option<Vec<u8>>,
    /// For each record in its order: refused or not.
    pub(super) is_refused: Vec<bool>,
    /// How many are refused.
    pub(super) refused: usize,
}

/// Takes the records at the places `refused` out of a PutRecords body.
pub(super) fn split(body: &[u8], refused: &[usize]) -> Result<Split> {
    let mut request: Value = serde_json::from_slice(body).context("a PutRecords body that is not JSON")?;
    let records = request["Records"].as_array_mut().context("a PutRecords body without records")?;
    let is_refused: Vec<bool> = (0..records.len()).map(|place| refused.contains(&place)).collect();
    let mut places = is_refused.iter();
    records.retain(|_| places.next() == Some(&false));
    let refused = is_refused.iter().filter(|is_refused| **is_refused).count();
    let rest = if records.is_empty() { None } else { Some(serde_json::to_vec(&request)?) };
    Ok(Split { rest, is_refused, refused })
}

/// The answer for the whole request: what the stream said about the rest, and a refusal in each other place.
pub(super) fn merge(answer: Option<Vec<u8>>, is_refused: &[bool]) -> Result<Vec<u8>> {
    let answer: Value = match answer {
        Some(bytes) => serde_json::from_slice(&bytes).context("an answer that is not JSON")?,
        None => json!({}),
    };
    let mut accepted = answer["Records"].as_array().cloned().unwrap_or_default().into_iter();
    let refusal =
        json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard (injected)"});
    let records: Vec<Value> = is_refused
        .iter()
        .map(|is_refused| if *is_refused { refusal.clone() } else { accepted.next().unwrap_or_else(|| refusal.clone()) })
        .collect();
    let failed = records.iter().filter(|record| record.get("ErrorCode").is_some()).count();
    Ok(serde_json::to_vec(&json!({"FailedRecordCount": failed, "Records": records}))?)
}

/// How many records an answer says the stream took. PutRecord's answer has no list: one.
pub(super) fn accepted(answer: &[u8]) -> usize {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return 0 };
    let is_accepted = |record: &&Value| record.get("SequenceNumber").is_some_and(|number| !number.is_null());
    match answer["Records"].as_array() {
        Some(records) => records.iter().filter(is_accepted).count(),
        None => usize::from(is_accepted(&&answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_records_keep_their_places_in_the_answer() {
        let split = split(br#"{"StreamName":"s","Records":[{"Data":"a"},{"Data":"b"},{"Data":"c"}]}"#, &[1]).unwrap();
        assert_eq!(split.rest.as_deref(), Some(br#"{"StreamName":"s","Records":[{"Data":"a"},{"Data":"c"}]}"#.as_slice()));
        let merged =
            merge(Some(br#"{"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"3"}]}"#.to_vec()), &split.is_refused).unwrap();
        let merged: Value = serde_json::from_slice(&merged).unwrap();
        assert_eq!(merged["FailedRecordCount"], 1);
        assert_eq!(merged["Records"][1]["ErrorCode"], "ProvisionedThroughputExceededException");
        assert_eq!(merged["Records"][2]["SequenceNumber"], "3");
    }
}
