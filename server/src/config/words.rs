//! The options that take several words: how each is checked and put in canonical form.
//!
//! The canonical form is one line that [`split_line`] takes apart again, so a word with blanks in it is quoted.

use thermocline_protocol::inline::split_line;

use super::option::Refusal;
use super::size::parse_size;
use crate::server::events;

/// The most addresses of `bind`, as in Redis.
const MAX_BIND_ADDRESSES: usize = 16;
/// The most files of `tier-path`.
pub const MAX_TIER_PATHS: usize = 16;

/// The classes of `client-output-buffer-limit`, as CONFIG GET names them.
const CLIENT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// How the canonical form of `client-output-buffer-limit` begins where normal clients have none.
pub(super) const NO_LIMIT: &str = "normal 0 0 0 ";

/// Output limits of one class of clients. 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutputLimit {
    /// Above this many bytes the client is closed at once.
    pub hard_bytes: u64,
    /// Above this many bytes for [`Self::soft_seconds`] the client is closed.
    pub soft_bytes: u64,
    /// See [`Self::soft_bytes`].
    pub soft_seconds: u64,
}

/// The words of a canonical text.
pub(super) fn split(text: &str) -> Vec<String> {
    let words = split_line(text.as_bytes()).unwrap_or_default();
    words.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect()
}

/// One word, quoted where a line needs it.
pub(super) fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'#') || byte >= 0x80;
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", control as u32)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn join(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

pub(super) fn bind(words: &[String], _: &str) -> Result<String, Refusal> {
    if words.len() > MAX_BIND_ADDRESSES {
        return Err("Too many bind addresses specified.".into());
    }
    Ok(if words == [""] { String::new() } else { join(words) })
}

pub(super) fn tier_path(words: &[String], _: &str) -> Result<String, Refusal> {
    if words.len() > MAX_TIER_PATHS {
        return Err(format!("at most {MAX_TIER_PATHS} paths are possible").into());
    }
    Ok(if words == [""] { String::new() } else { join(words) })
}

/// `save` writes snapshots, which do not exist here; only the empty one is honest.
pub(super) fn save(words: &[String], _: &str) -> Result<String, Refusal> {
    let words: Vec<&String> = words.iter().filter(|word| !word.is_empty()).collect();
    let is_number = |word: &&String| word.parse::<u64>().is_ok();
    if !words.len().is_multiple_of(2) || !words.iter().all(is_number) {
        return Err("Invalid save parameters".into());
    }
    if words.is_empty() {
        Ok(String::new())
    } else {
        Err("snapshots are not supported: use save \"\"".into())
    }
}

pub(super) fn latency_percentiles(words: &[String], _: &str) -> Result<String, Refusal> {
    let mut percentiles = Vec::new();
    for word in words.iter().filter(|word| !word.is_empty()) {
        let percentile: f64 = match word.parse() {
            Ok(number) => number,
            Err(_) => return Err("Invalid latency-tracking-info-percentiles parameters".into()),
        };
        if !(0.0..=100.0).contains(&percentile) {
            let text = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
            return Err(text.into());
        }
        percentiles.push(percentile.to_string());
    }
    Ok(percentiles.join(" "))
}

pub(super) fn oom_score_values(words: &[String], _: &str) -> Result<String, Refusal> {
    if words.len() != 3 {
        return Err("wrong number of arguments".into());
    }
    let is_score = |word: &String| word.parse::<i64>().is_ok_and(|score| (-2000..=2000).contains(&score));
    if !words.iter().all(is_score) {
        return Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into());
    }
    Ok(words.join(" "))
}

pub(super) fn event_classes(words: &[String], _: &str) -> Result<String, Refusal> {
    match events::parse_classes(&words.join(" ")) {
        Some(classes) => Ok(events::show_classes(classes)),
        None => Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
    }
}

/// `<class> <hard> <soft> <seconds>`, once or several times; classes not named keep their limits.
pub(super) fn output_limits(words: &[String], current: &str) -> Result<String, Refusal> {
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut limits = parse_output_limits(current);
    for limit in words.chunks_exact(4) {
        let Some(class) = client_class(&limit[0]) else {
            return Err("Invalid client class specified in buffer limit configuration.".into());
        };
        let numbers = (parse_size(&limit[1]), parse_size(&limit[2]), limit[3].parse::<u64>());
        let (Some(hard), Some(soft), Ok(soft_seconds)) = numbers else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        limits[class] = OutputLimit { hard_bytes: hard as u64, soft_bytes: soft as u64, soft_seconds };
    }
    let show = |(class, limit): (&str, OutputLimit)| {
        format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
    };
    Ok(CLIENT_CLASSES.into_iter().zip(limits).map(show).collect::<Vec<_>>().join(" "))
}

/// The limits of all classes from their canonical form.
pub(super) fn parse_output_limits(text: &str) -> [OutputLimit; 3] {
    let mut limits = [OutputLimit::default(); 3];
    let words: Vec<&str> = text.split(' ').collect();
    for (limit, words) in limits.iter_mut().zip(words.chunks_exact(4)) {
        let number = |at: usize| words[at].parse().unwrap_or(0);
        *limit = OutputLimit { hard_bytes: number(1), soft_bytes: number(2), soft_seconds: number(3) };
    }
    limits
}

fn client_class(name: &str) -> Option<usize> {
    let name = if name.eq_ignore_ascii_case("replica") { "slave" } else { name };
    CLIENT_CLASSES.iter().position(|class| class.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line)
    }

    #[test]
    fn words_survive_quoting() {
        for word in
            ["plain", "", "a b", "say \"x\"", "back\\slash", "tab\there", "bell\u{7}", "#no comment", "grün"]
        {
            assert_eq!(split(&quote(word)), [word], "{word}");
        }
    }

    #[test]
    fn output_limits_of_other_classes_stay() {
        let before = "normal 0 0 0 slave 1 2 3 pubsub 4 5 6";
        let after = output_limits(&words("replica 1mb 2k 60"), before);
        assert_eq!(after.as_deref(), Ok("normal 0 0 0 slave 1048576 2000 60 pubsub 4 5 6"));
        let limits = parse_output_limits(&after.unwrap());
        assert_eq!(limits[1], OutputLimit { hard_bytes: 1 << 20, soft_bytes: 2000, soft_seconds: 60 });
    }

    #[test]
    fn wrong_output_limits_are_refused_in_redis_words() {
        let refusal = |line| output_limits(&words(line), "").unwrap_err();
        assert_eq!(refusal("normal 1"), "Wrong number of arguments in buffer limit configuration.");
        assert_eq!(refusal("nobody 1 2 3"), "Invalid client class specified in buffer limit configuration.");
        assert_eq!(
            refusal("normal a 2 3"),
            "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        );
    }

    #[test]
    fn snapshots_are_refused_and_their_absence_is_accepted() {
        assert_eq!(save(&words("\"\""), "").as_deref(), Ok(""));
        assert_eq!(save(&words("1"), "").unwrap_err(), "Invalid save parameters");
        assert_eq!(save(&words("3600 1"), "").unwrap_err(), "snapshots are not supported: use save \"\"");
    }

    #[test]
    fn percentiles_lie_between_0_and_100() {
        assert_eq!(latency_percentiles(&words("50 99.0 99.9"), "").as_deref(), Ok("50 99 99.9"));
        assert_eq!(latency_percentiles(&words("\"\""), "").as_deref(), Ok(""));
        assert!(latency_percentiles(&words("101"), "").is_err());
        assert!(latency_percentiles(&words("many"), "").is_err());
    }
}
