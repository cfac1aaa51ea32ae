//! What the Java agent's launcher took from the environment.

use std::env;

use config::exit::Failure;

/// Variables with flags. The Java agent's scripts read the first on Red Hat and the second on Debian; its shipped file
/// names only the first. Both are taken on both, the second wins.
const FLAGS: [&str; 2] = ["AGENT_ARGS", "ARGS"];

/// Variables for the Java machine.
const JAVA: [&str; 8] =
    ["JAVA_START_HEAP", "JAVA_MAX_HEAP", "JVM_ARGS", "OOME_ARGS", "JAVACMD", "JAVA_HOME", "CLASSPATH", "LOG_CONFIG"];

/// The words of `AGENT_ARGS` and `ARGS`, as a shell would split them.
///
/// # Errors
/// When a quotation does not end.
pub(crate) fn from_environment() -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for name in FLAGS {
        let Ok(text) = env::var(name) else { continue };
        match split(&text) {
            Some(words) => all.extend(words),
            None => return Err(Failure::usage(format!("{name} is {text:?}: a quotation does not end; close it"))),
        }
    }
    Ok(all)
}

/// One sentence for each variable that has no effect any more.
pub(crate) fn warnings() -> Vec<String> {
    let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let sentence = |name| format!("{name} has no effect: this agent needs no Java; remove it from its environment file");
    JAVA.into_iter().filter(is_set).map(sentence).collect()
}

/// Splits at blanks that are not quoted. Pure; knows quotes and backslashes and no other shell syntax.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(rest.next()?),
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(split("  -c  /etc/x.json\t-L DEBUG ").unwrap(), ["-c", "/etc/x.json", "-L", "DEBUG"]);
        assert_eq!(split(r#"-l "/var/log/a b.log" '' it\'s"#).unwrap(), ["-l", "/var/log/a b.log", "", "it's"]);
        assert_eq!(split(r#""a \" b" 'c \'"#).unwrap(), ["a \" b", "c \\"]);
        assert_eq!(split("").unwrap(), Vec::<String>::new());
        assert_eq!(split("-c 'x"), None);
        assert_eq!(split("x\\"), None);
    }
}
