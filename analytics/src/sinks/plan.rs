//! `--sink STREAM=KIND:PLACE`, as text and as what it means.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use config::aws::AwsSettings;

use super::{Format, Layout};
use crate::bucket::BucketPlace;
use crate::program::StreamId;

/// The forms that a sink is written in.
pub(crate) const FORMS: &str = "STREAM=stdout, STREAM=table:FILE, =csv:FILE, =jsonl:FILE, =parquet:FOLDER, =parquet:s3://BUCKET/PREFIX, \
     =kinesis:NAME, =firehose:NAME or =webhook:URL; behind s3, kinesis and firehose ,endpoint=URL ,region=NAME, behind the \
     last two ,id=FIELD";

/// A sink as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SinkText {
    pub(crate) stream: String,
    kind: String,
    place: String,
    aws: AwsSettings,
    /// The member of a row's JSON that gets the record's id.
    id_field: Option<String>,
    /// The place, when it is in S3.
    bucket: Option<BucketPlace>,
}

impl FromStr for SinkText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |what: &str| format!("{what}; a sink is {FORMS}");
        let (stream, rest) = text.split_once('=').filter(|(stream, _)| !stream.is_empty()).ok_or_else(|| wrong("no stream"))?;
        let (kind, place) = rest.split_once(':').unwrap_or((rest, ""));
        let mut sink = Self {
            stream: stream.to_owned(),
            kind: kind.to_owned(),
            place: String::new(),
            aws: AwsSettings::default(),
            id_field: None,
            bucket: None,
        };
        if kind == "parquet" && place.starts_with("s3://") {
            sink.bucket = Some(place.parse().map_err(|error: String| wrong(&error))?);
            return Ok(sink);
        }
        for (index, part) in place.split(',').enumerate() {
            match part.split_once('=') {
                Some(("endpoint", url)) if index > 0 => sink.aws.endpoint = Some(url.to_owned()),
                Some(("region", name)) if index > 0 => sink.aws.region = Some(name.to_owned()),
                Some(("id", name)) if index > 0 => sink.id_field = Some(name.to_owned()),
                // A comma may be part of a path or a URL.
                _ => sink.place += &format!("{}{part}", if index > 0 { "," } else { "" }),
            }
        }
        let has_options = sink.aws != AwsSettings::default() || sink.id_field.is_some();
        match sink.kind.as_str() {
            "stdout" if sink.place.is_empty() && !has_options => Ok(sink),
            "stdout" => Err(wrong("stdout has no place")),
            "table" | "csv" | "jsonl" | "parquet" | "webhook" if has_options => Err(wrong("this kind has no options")),
            "table" | "csv" | "jsonl" | "parquet" | "webhook" | "kinesis" | "firehose" if sink.place.is_empty() => {
                Err(wrong(&format!("{kind} needs a place behind the colon")))
            }
            "webhook" if !sink.place.starts_with("http://") && !sink.place.starts_with("https://") => {
                Err(wrong("webhook needs a URL"))
            }
            "table" | "csv" | "jsonl" | "parquet" | "webhook" | "kinesis" | "firehose" => Ok(sink),
            other => Err(wrong(&format!("there is no kind {other:?}"))),
        }
    }
}

/// Where the rows of a stream go.
#[derive(Debug, Clone)]
pub(crate) struct SinkPlan {
    pub(crate) stream: StreamId,
    pub(crate) layout: Layout,
    pub(crate) target: Target,
}

/// A kind of sink and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout(Format),
    File(Format, PathBuf),
    Parquet(PathBuf),
    ParquetInBucket(BucketPlace),
    Webhook(String),
    Kinesis(RemoteStream),
    Firehose(RemoteStream),
}

/// A stream of AWS that gets rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteStream {
    pub(crate) name: String,
    pub(crate) aws: AwsSettings,
    pub(crate) id_field: Option<String>,
}

impl SinkPlan {
    /// What was typed, for a stream with this layout. `kinesis` is where Kinesis is if the text does not say it.
    pub(crate) fn new(text: SinkText, stream: StreamId, layout: Layout, format: Format, kinesis: &AwsSettings) -> Self {
        let SinkText { kind, place, aws, id_field, bucket, .. } = text;
        let is_default = aws == AwsSettings::default();
        let remote = |aws| RemoteStream { name: place.clone(), aws, id_field };
        let target = match kind.as_str() {
            "table" => Target::File(Format::Table, place.into()),
            "csv" => Target::File(Format::Csv, place.into()),
            "jsonl" => Target::File(Format::Jsonl, place.into()),
            "parquet" => bucket.map_or_else(|| Target::Parquet(place.into()), Target::ParquetInBucket),
            "webhook" => Target::Webhook(place),
            "kinesis" => Target::Kinesis(remote(if is_default { kinesis.clone() } else { aws })),
            "firehose" => Target::Firehose(remote(AwsSettings { region: aws.region.or(kinesis.region.clone()), ..aws })),
            _ => Target::Stdout(format),
        };
        Self { stream, layout, target }
    }

    /// A file of the stream's name in a folder.
    pub(crate) fn in_folder(folder: &Path, format: Format, stream: StreamId, layout: Layout) -> Self {
        let path = folder.join(format!("{}.{}", file_name(&layout.name), format.extension()));
        Self { stream, layout, target: Target::File(format, path) }
    }

    /// What a checkpoint calls this sink.
    pub(super) fn key(&self) -> String {
        let name = &self.layout.name;
        match &self.target {
            Target::Stdout(_) => format!("{name}=stdout"),
            Target::File(_, path) => format!("{name}=file:{}", path.display()),
            Target::Parquet(folder) => format!("{name}=parquet:{}", folder.display()),
            Target::ParquetInBucket(place) => format!("{name}=parquet:{place}"),
            Target::Webhook(url) => format!("{name}=webhook:{url}"),
            Target::Kinesis(to) => format!("{name}=kinesis:{}", to.name),
            Target::Firehose(to) => format!("{name}=firehose:{}", to.name),
        }
    }
}

/// A stream's name as part of a file's: it may hold what a path gives a meaning to.
pub(super) fn file_name(stream: &str) -> String {
    stream.replace(['/', '\\', '\0'], "_").replace("..", "__")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<Target, String> {
        let schema = crate::engine::ERROR_SCHEMA.clone();
        let kinesis = AwsSettings { endpoint: Some("http://k".to_owned()), region: None };
        let layout = Layout::of_stream("D", &schema);
        Ok(SinkPlan::new(text.parse()?, StreamId(0), layout, Format::Table, &kinesis).target)
    }

    #[test]
    fn each_kind_has_its_place_and_options() {
        assert_eq!(target("D=stdout"), Ok(Target::Stdout(Format::Table)));
        assert_eq!(target("D=csv:a,b.csv"), Ok(Target::File(Format::Csv, "a,b.csv".into())));
        assert_eq!(target("D=webhook:http://h/?a=1,2"), Ok(Target::Webhook("http://h/?a=1,2".to_owned())));
        let endpoint = |url: &str| AwsSettings { endpoint: Some(url.to_owned()), region: None };
        let remote = |aws, id_field| RemoteStream { name: "out".to_owned(), aws, id_field };
        assert_eq!(target("D=kinesis:out"), Ok(Target::Kinesis(remote(endpoint("http://k"), None))));
        assert_eq!(
            target("D=firehose:out,endpoint=http://f,id=ID"),
            Ok(Target::Firehose(remote(endpoint("http://f"), Some("ID".to_owned()))))
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_all_forms() {
        for text in ["D", "=csv:a", "D=csv", "D=csv:", "D=stdout:a", "D=paper:a", "D=webhook:h", "D=csv:a,endpoint=b"] {
            let error = target(text).unwrap_err();
            assert!(error.contains("a sink is STREAM=stdout"), "{text}: {error}");
        }
    }
}
