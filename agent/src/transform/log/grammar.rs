//! The built-in formats.
//!
//! As narrow as the Java agent's: what it drops is dropped here. `tolerant` widens the parts that real logs break:
//! clients with an IPv6 address, and quoted texts that are empty or hold `\"` (kept as it is written).

use nom::{
    AsChar as _, IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while_m_n, take_while1},
    character::complete::{char, digit0, digit1, one_of, satisfy, space1},
    combinator::{opt, recognize, rest, value, verify},
    multi::many1_count,
    sequence::{delimited, preceded, terminated},
};

use super::LogFormat;

/// The fields of a line without its `\n`, or nothing when it is in another format.
pub(super) fn parse(format: LogFormat, line: &str, tolerant: bool) -> Option<Vec<Option<&str>>> {
    let parsed = match format {
        LogFormat::CommonApache => common(line, tolerant),
        LogFormat::CombinedApache => combined(line, tolerant),
        LogFormat::ApacheError => error_log(line, tolerant),
        LogFormat::Syslog => syslog(line, syslog_date),
        LogFormat::Rfc3339Syslog => syslog(line, rfc3339_date),
    };
    let (after, fields) = parsed.ok()?;
    is_one_line(after).then_some(fields)
}

/// What a parser of ours gives.
type Parsed<'t, T = &'t str> = IResult<&'t str, T>;

/// Fields as they stand; an optional one that is missing is none.
type Fields<'t> = Vec<Option<&'t str>>;

fn common(line: &str, tolerant: bool) -> Parsed<'_, Fields<'_>> {
    let quoted = |text| quoted(text, tolerant);
    let mut start = (
        terminated(|text| host(text, tolerant), char(' ')),
        terminated(user, char(' ')),
        terminated(user, char(' ')),
        delimited(char('['), http_date, tag("] ")),
        terminated(quoted, char(' ')),
        terminated(number, char(' ')),
        number,
    );
    let (after, (host, ident, user, date, request, response, bytes)) = start.parse(line)?;
    Ok((after, [host, ident, user, date, request, response, bytes].map(Some).to_vec()))
}

fn combined(line: &str, tolerant: bool) -> Parsed<'_, Fields<'_>> {
    let (after, mut fields) = common(line, tolerant)?;
    let quoted = |text| preceded(char(' '), |text| quoted(text, tolerant)).parse(text);
    let (after, (referer, agent)) = (quoted, quoted).parse(after)?;
    fields.extend([Some(referer), Some(agent)]);
    Ok((after, fields))
}

fn error_log(line: &str, tolerant: bool) -> Parsed<'_, Fields<'_>> {
    let date = recognize((day_name, space1, month_name, space1, month_day, space1, time, space1, year));
    let process = (preceded(tag("pid "), digit1), opt(preceded(tag(":tid "), digit1)));
    let client = preceded(tag("client "), |text| client(text, tolerant));
    let (text, date) = delimited(char('['), date, tag("] ")).parse(line)?;
    let (text, (module, severity)) = delimited(char('['), (opt(terminated(word, char(':'))), word), tag("] ")).parse(text)?;
    let (text, (process, thread)) = delimited(char('['), process, tag("] ")).parse(text)?;
    let (text, client) = delimited(char('['), client, tag("] ")).parse(text)?;
    let (text, message) = message(text)?;
    Ok((text, vec![Some(date), module, Some(severity), Some(process), thread, Some(client), Some(message)]))
}

fn syslog(line: &str, date: fn(&str) -> Parsed<'_>) -> Parsed<'_, Fields<'_>> {
    let facility = (char('<'), digit1, char('.'), digit1, tag("> "));
    let program = take_while1(|character: char| is_word(character) || "./%-".contains(character));
    let process = delimited(char('['), recognize((satisfy(|digit| matches!(digit, '1'..='9')), digit0)), char(']'));
    let (text, date) = terminated(date, char(' ')).parse(line)?;
    let (text, host) = delimited(opt(facility), user, char(' ')).parse(text)?;
    let (text, (program, process)) = (program, terminated(opt(process), tag(": "))).parse(text)?;
    let (text, message) = message(text)?;
    Ok((text, vec![Some(date), Some(host), Some(program), process, Some(message)]))
}

/// The rest of the line.
fn message(text: &str) -> Parsed<'_> {
    verify(rest, |text: &str| is_one_line(text)).parse(text)
}

/// Whether Java's `.*` covers it.
fn is_one_line(text: &str) -> bool {
    !text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// Labels joined by dots with an optional last dot, or digits and dots.
fn host(text: &str, tolerant: bool) -> Parsed<'_> {
    let name = take_while1(|character: char| is_word(character) || "-.".contains(character));
    let mut strict = verify(name, |name: &str| {
        let labels = name.strip_suffix('.').unwrap_or(name);
        labels.split('.').all(|label| !label.is_empty()) || name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    if tolerant { alt((address, strict)).parse(text) } else { strict.parse(text) }
}

/// An IPv6 address; the zone behind a `%` is a name.
fn address(text: &str) -> Parsed<'_> {
    let digits = take_while1(|character: char| character.is_ascii_hexdigit() || ":.%".contains(character));
    recognize((verify(digits, |digits: &str| digits.contains(':')), take_while(is_word))).parse(text)
}

/// A host with an optional port.
fn client(text: &str, tolerant: bool) -> Parsed<'_> {
    // An IPv6 address takes the port along: nothing tells the two apart.
    recognize((|text| host(text, tolerant), opt((char(':'), digit1)))).parse(text)
}

fn user(text: &str) -> Parsed<'_> {
    take_while1(|character: char| character.is_ascii_alphanumeric() || "._-".contains(character)).parse(text)
}

/// A text in quotes, without them.
fn quoted(text: &str, tolerant: bool) -> Parsed<'_> {
    if !tolerant {
        return delimited(char('"'), take_while1(|character| character != '"'), char('"')).parse(text);
    }
    let (text, _) = char('"').parse(text)?;
    let (mut escaped, mut bytes) = (false, text.bytes());
    let end = bytes.position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    let (inside, after) = text.split_at(end.unwrap_or(text.len()));
    value(inside, char('"')).parse(after)
}

/// An integer or `-`.
fn number(text: &str) -> Parsed<'_> {
    alt((integer, tag("-"))).parse(text)
}

fn integer(text: &str) -> Parsed<'_> {
    recognize((opt(one_of("+-")), digit1)).parse(text)
}

fn word(text: &str) -> Parsed<'_> {
    take_while1(is_word).parse(text)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// `31/Jan/2026:04:21:11 +0000`.
fn http_date(text: &str) -> Parsed<'_> {
    recognize((month_day, char('/'), month_name, char('/'), year, char(':'), time, char(' '), integer)).parse(text)
}

/// `Jan 31 04:21:11`.
fn syslog_date(text: &str) -> Parsed<'_> {
    recognize((month_name, space1, month_day, space1, time)).parse(text)
}

/// `2026-01-31T04:21:11.5+01:00`.
fn rfc3339_date(text: &str) -> Parsed<'_> {
    let date = (digits(4, 9999), char('-'), digits(2, 12), char('-'), digits(2, 31));
    let clock = (digits(2, 23), char(':'), digits(2, 59), char(':'), digits(2, 60), opt((char('.'), digit1)));
    let offset = (one_of("+-"), digits(2, 23), char(':'), digits(2, 59));
    recognize((date, char('T'), clock, alt((recognize(offset), tag("Z"))))).parse(text)
}

/// Hours may have one digit, and a fraction of a second follows `:`, `.` or `,`.
fn time(text: &str) -> Parsed<'_> {
    let hour = alt((digits(2, 23), digits(1, 9)));
    let second = alt((digits(2, 60), digits(1, 9)));
    recognize((hour, char(':'), digits(2, 59), char(':'), second, opt((one_of(":.,"), digit1)))).parse(text)
}

/// 01 to 31, or 1 to 9.
fn month_day(text: &str) -> Parsed<'_> {
    verify(alt((digits(2, 31), digits(1, 9))), |day: &str| day != "0" && day != "00").parse(text)
}

/// Two or four digits.
fn year(text: &str) -> Parsed<'_> {
    alt((digits(4, 9999), digits(2, 99))).parse(text)
}

/// So many digits, of a number up to `most`.
fn digits<'t>(count: usize, most: u16) -> impl Parser<&'t str, Output = &'t str, Error = nom::error::Error<&'t str>> {
    verify(take_while_m_n(count, count, |character: char| character.is_dec_digit()), move |digits: &str| {
        digits.parse::<u16>().is_ok_and(|number| number <= most)
    })
}

fn day_name(text: &str) -> Parsed<'_> {
    name(text, &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
}

fn month_name(text: &str) -> Parsed<'_> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    name(text, &MONTHS)
}

/// One of the names, whole or its first three letters.
fn name<'t>(text: &'t str, names: &[&str]) -> Parsed<'t> {
    let letters = recognize(many1_count(satisfy(|character| character.is_ascii_alphabetic())));
    verify(letters, |word: &str| names.iter().any(|name| *name == word || name[..3] == *word)).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = r#"1.2.3.4 - bob [5/January/2026:4:21:11.25 +0000] "GET / HTTP/1.1" 200 -1"#;

    fn tolerant(line: &str) -> Option<Fields<'_>> {
        parse(LogFormat::CommonApache, line, true)
    }

    #[test]
    fn dates_have_short_and_long_names_one_digit_hours_and_fractions() {
        let fields = parse(LogFormat::CommonApache, COMMON, false).unwrap();
        assert_eq!(fields[3], Some("5/January/2026:4:21:11.25 +0000"));
        for wrong in ["32/Jan", "00/Jan", "5/Janua", "5/jan"] {
            assert_eq!(parse(LogFormat::CommonApache, &COMMON.replace("5/January", wrong), false), None, "{wrong}");
        }
    }

    #[test]
    fn hosts_are_labels_or_digits_and_dots() {
        for (host, is_host) in [("a-b.example.com.", true), ("..1.", true), ("a..b", false), (".a", false), ("a,b", false)] {
            assert_eq!(parse(LogFormat::CommonApache, &COMMON.replace("1.2.3.4", host), false).is_some(), is_host, "{host}");
        }
    }

    #[test]
    fn tolerant_takes_ipv6_clients() {
        for host in ["::1", "2001:db8::1", "fe80::1%eth0", "::ffff:1.2.3.4", "example.com", "fe.com"] {
            assert_eq!(tolerant(&COMMON.replace("1.2.3.4", host)).unwrap()[0], Some(host));
        }
    }

    #[test]
    fn tolerant_takes_escaped_quotes_and_empty_texts() {
        assert_eq!(tolerant(&COMMON.replace("GET /", r#"GET /\"a\\"#)).unwrap()[4], Some(r#"GET /\"a\\ HTTP/1.1"#));
        assert_eq!(tolerant(&COMMON.replace("GET / HTTP/1.1", "")).unwrap()[4], Some(""));
        assert_eq!(tolerant(&COMMON.replace("HTTP/1.1\"", r#"HTTP/1.1\""#)), None);
    }

    #[test]
    fn a_client_of_the_error_log_may_have_a_port() {
        let line = "[Fri Jan  9 04:21:11.123456 2026] [core:error] [pid 1:tid 2] [client 1.2.3.4:80] m";
        assert_eq!(parse(LogFormat::ApacheError, line, false).unwrap()[5], Some("1.2.3.4:80"));
        let line = line.replace("1.2.3.4:80", "::1:80");
        assert_eq!(parse(LogFormat::ApacheError, &line, false), None);
        assert_eq!(parse(LogFormat::ApacheError, &line, true).unwrap()[5], Some("::1:80"));
    }
}
