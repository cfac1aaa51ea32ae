//! Makes a large access log that is the same on every machine.
//!
//! Shape: 5,000 lines per second of event time; a quarter of the lines up to 2 s late; 10,000 clients by Zipf's law
//! with exponent 1; about 1 % of unusual user agents, a fifth of them with Apache's `\xHH`, which is not legal JSON.

use std::io::Write;

/// Lines per second of event time.
const LINES_PER_SECOND: u64 = 5_000;
/// How late a late line may be.
const MAX_LATE_MS: u64 = 2_000;
/// Distinct client addresses.
const CLIENTS: usize = 10_000;
/// When the log begins, in seconds of its day: 01:22:03. The day is fixed, so a log must end before midnight
/// (407 million lines).
const BEGIN: u64 = (60 + 22) * 60 + 3;

const AGENTS: [&str; 8] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.6422.165 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
    "ApacheBench/2.3",
];
/// As they stand in the log: quotes and backslashes escaped, UTF-8, and one in Apache's own form.
const UNUSUAL_AGENTS: [&str; 5] = [
    r#"Mozilla/5.0 (\"quoted\"; Linux) Agent/1.0"#,
    "Büroagent/2.1 (Zürich; Größe=5)",
    "エージェント/1.0 (東京)",
    r#"scanner \xE3\x81\x82\x1b[0m \"x\""#,
    r"back\\slash \t tab/1.0",
];
const PATHS: [&str; 12] = [
    "/web-demo/index.php",
    "/",
    "/web-demo/style.css",
    "/web-demo/demo.js",
    "/favicon.ico",
    "/web-demo/uploads/clouds1.jpg",
    "/web-demo/uploads/clouds2.jpg",
    "/api/v1/items",
    "/robots.txt",
    "/blog/2026/11/kinesis-at-scale",
    "/blog/2026/10/caf%C3%A9-au-lait",
    "/docs/getting-started/installation.html",
];
const REFERERS: [&str; 5] = [
    "-",
    "https://www.example.com/",
    "https://www.example.com/web-demo/index.php",
    "https://duckduckgo.com/?q=web+demo",
    "http://intranet.example.org/größe/übersicht",
];
const STATUSES: [&str; 10] = ["200", "200", "200", "200", "200", "200", "304", "302", "404", "500"];
const METHODS: [&str; 10] = ["GET", "GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD", "PUT"];

/// An endless log; the same seed gives the same bytes.
#[derive(Debug)]
pub struct Generator {
    random: SplitMix,
    /// Running sum of 1/rank: the Zipf distribution, not yet divided by its last value.
    cumulative: Vec<f64>,
    line: u64,
}

impl Generator {
    /// A log from its first line.
    pub fn new(seed: u64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=CLIENTS).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self { cumulative: cumulative.collect(), random: SplitMix(seed), line: 0 }
    }

    /// Appends the next line with its newline.
    pub fn write_line(&mut self, out: &mut Vec<u8>) {
        let second = self.next_second();
        let [x, y, z] = self.next_client();
        let host = if self.random.below(10) < 9 { "www" } else { "shop" };
        let server = 11 + self.random.below(4);
        let (path, query) = (self.pick_skewed(&PATHS), self.next_query());
        let (method, status) = (self.pick(&METHODS), self.pick(&STATUSES));
        let size = self.random.below(60) * self.random.below(60) * self.random.below(20) + 77;
        let agent = if self.random.below(100) == 0 { self.pick(&UNUSUAL_AGENTS) } else { self.pick_skewed(&AGENTS) };
        let referer = self.pick(&REFERERS);
        let of_day = BEGIN + second;
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        let written = writeln!(
            out,
            "{{ \"request_time\":\"[21/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000]\", \"client_ip\":\"10.{x}.{y}.{z}\", \
             \"client_hostname\":\"{host}.example.com\", \"server_ip\":\"172.31.0.{server}\", \"request\":\"{path}{query}\", \
             \"http_method\":\"{method}\", \"status\":\"{status}\", \"size\":\"{size}\", \"userAgent\":\"{agent}\", \"referer\":\"{referer}\" }}"
        );
        written.expect("writing to memory cannot fail");
    }

    /// Seconds since `BEGIN`; a quarter of the lines fall behind.
    fn next_second(&mut self) -> u64 {
        let now_ms = self.line * 1_000 / LINES_PER_SECOND;
        self.line += 1;
        let late_ms = if self.random.below(4) == 0 { self.random.below(MAX_LATE_MS + 1) } else { 0 };
        now_ms.saturating_sub(late_ms) / 1_000
    }

    /// The last three numbers of an address in 10.0.0.0/8, spread so that ranks do not sort like addresses.
    fn next_client(&mut self) -> [u8; 3] {
        let point = self.random.unit() * self.cumulative[CLIENTS - 1];
        let rank = self.cumulative.partition_point(|sum| *sum < point).min(CLIENTS - 1);
        let [.., x, y, z] = (rank as u32).wrapping_mul(2_654_435_761).to_be_bytes();
        [x, y, z]
    }

    fn next_query(&mut self) -> String {
        if self.random.below(4) == 0 { format!("?id={}", self.random.below(100_000)) } else { String::new() }
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.random.below(from.len() as u64) as usize]
    }

    /// The first entries more often than the last.
    fn pick_skewed(&mut self, from: &[&'static str]) -> &'static str {
        let count = from.len() as u64;
        from[(self.random.below(count) * self.random.below(count) / count) as usize]
    }
}

/// SplitMix64: small, fast, and defined here so that no library update changes the log.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// In 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        let mut generator = Generator::new(42);
        let mut out = Vec::new();
        (0..count).for_each(|_| generator.write_line(&mut out));
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_log() {
        assert_eq!(lines(1_000), lines(1_000));
    }

    #[test]
    fn a_second_of_event_time_has_about_five_thousand_lines() {
        let in_second_two = lines(20_000).iter().filter(|line| line.contains(":01:22:05 ")).count();
        assert!((4_500..5_500).contains(&in_second_two), "{in_second_two}");
    }

    #[test]
    fn a_few_lines_in_a_thousand_are_not_legal_json() {
        let illegal = lines(50_000).iter().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).count();
        assert!((50..150).contains(&illegal), "{illegal}");
    }

    #[test]
    fn the_first_client_has_a_tenth_of_the_lines() {
        let of_first = lines(50_000).iter().filter(|line| line.contains("\"10.0.0.0\"")).count();
        assert!((4_500..6_000).contains(&of_first), "{of_first}");
    }
}
