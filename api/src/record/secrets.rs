//! Secrets in texts that go on record: keys made here, wherever they are, and the values of fields that are named like
//! secrets.
//!
//! One pass over the text as it decodes: `%5F`, `%255F` and `\u005f` are an underscore. Nothing is looked at more than a
//! few times, whatever the text: the work is linear in its length.

use std::borrow::Cow;

use memchr::{memchr2_iter, memchr3_iter};

use crate::key::PREFIXES;

const REDACTED: &str = "REDACTED";
/// How often a character may be encoded over and over.
const MOST_LAYERS: usize = 3;

/// Fields whose values are secret; in small letters, without `-` and `_`.
const SECRET: [&str; 10] = [
    "key",
    "pwd",
    "auth",
    "authorization",
    "proxyauthorization",
    "cookie",
    "setcookie",
    "session",
    "sessionid",
    "credentials",
];
/// The same of fields whose names end so, such as `db_password` and `x-api-key`.
const SECRET_ENDS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
];
/// The same where this is all of the name, or its last word behind `-` or `_`: `signing_key`, but not `monkey`.
const SECRET_WORDS: [&str; 3] = ["key", "pass", "pin"];
const LONGEST_NAME: usize = 32;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Keys made here.
    Keys,
    /// Also what fields named like secrets hold.
    KeysAndFields,
}

/// A text without its secrets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cleaned<'t> {
    pub(super) text: Cow<'t, str>,
    /// Whether something was taken out that a person may have chosen, so that it can be guessed by a digest of the
    /// original.
    pub(super) had_guessable: bool,
}

/// Takes the secrets out.
pub(super) fn without(secrets: Secrets, text: &str) -> Cleaned<'_> {
    if !may_hold(secrets, text.as_bytes()) {
        return Cleaned {
            text: Cow::Borrowed(text),
            had_guessable: false,
        };
    }
    let mut pass = Pass {
        secrets,
        text,
        at: 0,
        clean: String::new(),
        copied: 0,
        name: Name::default(),
        is_in_index: false,
        had_guessable: false,
    };
    pass.run();
    let text = if pass.copied == 0 {
        Cow::Borrowed(text)
    } else {
        pass.redact(text.len(), text.len(), "");
        Cow::Owned(pass.clean)
    };
    Cleaned {
        text,
        had_guessable: pass.had_guessable,
    }
}

/// Whether it is worth a pass; most texts hold nothing that even begins like a secret.
pub(super) fn may_hold(secrets: Secrets, bytes: &[u8]) -> bool {
    let is_key = |at: usize| {
        let before = at.checked_sub(3).and_then(|from| bytes.get(from..at));
        bytes.get(at) != Some(&b'_') || before.is_some_and(|it| it.eq_ignore_ascii_case(b"lap"))
    };
    memchr3_iter(b'%', b'\\', b'_', bytes).any(is_key)
        || (secrets == Secrets::KeysAndFields && memchr2_iter(b'=', b':', bytes).next().is_some())
}

/// The name that was read last.
#[derive(Default)]
struct Name {
    letters: [u8; LONGEST_NAME],
    length: usize,
    /// Where its last word begins.
    word: usize,
    is_over: bool,
}

impl Name {
    fn add(&mut self, byte: u8) {
        if self.is_over {
            *self = Self::default();
        }
        if matches!(byte, b'-' | b'_') {
            self.word = self.length;
            return;
        }
        // Of a longer one the end counts.
        if self.length == LONGEST_NAME {
            self.letters.copy_within(1.., 0);
            self.length -= 1;
            self.word = self.word.saturating_sub(1);
        }
        self.letters[self.length] = byte.to_ascii_lowercase();
        self.length += 1;
    }

    fn is_secret(&self) -> bool {
        let name = &self.letters[..self.length];
        let word = name.get(self.word..).unwrap_or_default();
        SECRET.iter().any(|it| it.as_bytes() == name)
            || SECRET_WORDS.iter().any(|it| it.as_bytes() == word)
            || SECRET_ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
    }
}

/// A character of the text as it decodes, if it is ASCII, and how many bytes it takes.
#[derive(Clone, Copy)]
struct Unit {
    byte: u8,
    length: usize,
}

struct Pass<'t> {
    secrets: Secrets,
    text: &'t str,
    at: usize,
    clean: String,
    /// Up to where the text is in `clean`.
    copied: usize,
    name: Name,
    /// Whether a bracket has just been opened, and nothing but digits came since.
    is_in_index: bool,
    had_guessable: bool,
}

impl Pass<'_> {
    fn run(&mut self) {
        while let Some(unit) = self.unit(self.at) {
            let here = self.at;
            self.at += unit.length;
            match unit.byte {
                b'l' | b'L' if self.key(here) => {}
                b'=' | b':' if self.secrets == Secrets::KeysAndFields && self.name.is_secret() => {
                    self.value()
                }
                // `password[]` and `password[0]` are passwords, and so is `user[password]`.
                byte if byte.is_ascii_digit() && self.is_in_index => continue,
                b'[' => {
                    self.name.is_over = true;
                    self.is_in_index = true;
                    continue;
                }
                byte if is_of_a_name(byte) => self.name.add(byte),
                b'"' | b'\'' | b' ' | b'\t' | b']' => self.name.is_over = true,
                _ => self.name = Name::default(),
            }
            self.is_in_index = false;
        }
    }

    /// Takes out the key that begins here, if one does.
    fn key(&mut self, here: usize) -> bool {
        let Some(begin) = PREFIXES.iter().find_map(|prefix| self.after(here, prefix)) else {
            return false;
        };
        let end = self.until(begin, |unit| ends_a_key(unit.byte));
        self.at = end;
        self.name = Name::default();
        if end > begin {
            self.redact(begin, end, REDACTED);
        }
        true
    }

    /// Takes out the value that comes next.
    fn value(&mut self) {
        let begin = self.until(self.at, |unit| !unit.byte.is_ascii_whitespace());
        let (begin, end) = match self.unit(begin) {
            Some(quote) if matches!(quote.byte, b'"' | b'\'') => {
                let begin = begin + quote.length;
                // A quote that is encoded does not end what began with a plain one.
                let closes = |unit: Unit| unit.byte == quote.byte && (unit.length == 1 || quote.length > 1);
                (begin, self.until(begin, closes))
            }
            Some(Unit {
                byte: b'[' | b'{',
                length: 1,
            }) => (begin + 1, self.until_closed(begin)),
            _ => {
                let ends = |unit: Unit| unit.length == 1 && b"&;,\"'<>{}[]\r\n".contains(&unit.byte);
                (begin, self.until(begin, ends))
            }
        };
        self.at = end;
        self.name = Name::default();
        if end > begin {
            self.redact(begin, end, REDACTED);
            self.had_guessable = true;
        }
    }

    /// The bracket that closes the one at `from`, or the end. Those in strings do not count.
    fn until_closed(&self, from: usize) -> usize {
        let (mut depth, mut quote, mut at) = (0_usize, None, from);
        while let Some(unit) = self.unit(at) {
            match (quote, unit.byte) {
                (Some(opened), b'"') if unit.length == 1 || opened > 1 => quote = None,
                (Some(_), _) => {}
                (None, b'"') => quote = Some(unit.length),
                (None, b'[' | b'{') => depth += 1,
                (None, b']' | b'}') if depth <= 1 => return at,
                (None, b']' | b'}') => depth -= 1,
                (None, _) => {}
            }
            at += unit.length;
        }
        self.text.len()
    }

    fn redact(&mut self, begin: usize, end: usize, instead: &str) {
        self.clean
            .push_str(self.text.get(self.copied..begin).unwrap_or_default());
        self.clean.push_str(instead);
        self.copied = end;
    }

    /// Where `prefix` ends that begins here, in any case.
    fn after(&self, here: usize, prefix: &str) -> Option<usize> {
        prefix.bytes().try_fold(here, |at, expected| {
            let unit = self.unit(at)?;
            unit.byte
                .eq_ignore_ascii_case(&expected)
                .then_some(at + unit.length)
        })
    }

    /// The first place from here on where that is so, or the end.
    fn until(&self, from: usize, ends: impl Fn(Unit) -> bool) -> usize {
        let mut at = from;
        while let Some(unit) = self.unit(at) {
            if ends(unit) {
                return at;
            }
            at += unit.length;
        }
        self.text.len()
    }

    fn unit(&self, at: usize) -> Option<Unit> {
        let rest = self.text.as_bytes().get(at..)?;
        let first = *rest.first()?;
        let decoded = match first {
            b'%' => percent(rest),
            b'\\' => escape(rest),
            _ => None,
        };
        Some(decoded.unwrap_or(Unit {
            byte: first,
            length: 1,
        }))
    }
}

/// `%5F`, also as `%255F`.
fn percent(rest: &[u8]) -> Option<Unit> {
    let mut digits = 1;
    for _ in 1..MOST_LAYERS {
        if rest.get(digits..digits + 2) == Some(b"25") && hexadecimal(rest, digits + 2, 2).is_some() {
            digits += 2;
        }
    }
    let byte = hexadecimal(rest, digits, 2)?;
    Some(Unit {
        byte,
        length: digits + 2,
    })
}

/// `\u005f`, also as `\\u005f`; `\/` and its like.
fn escape(rest: &[u8]) -> Option<Unit> {
    let most = 1 << MOST_LAYERS;
    let slashes = rest.iter().take(most).take_while(|byte| **byte == b'\\').count();
    if rest.get(slashes) == Some(&b'u')
        && let Some(byte) = hexadecimal(rest, slashes + 1, 4)
    {
        return Some(Unit {
            byte,
            length: slashes + 5,
        });
    }
    let byte = match *rest.get(1)? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        byte if byte.is_ascii() => byte,
        _ => return None,
    };
    Some(Unit { byte, length: 2 })
}

/// The ASCII character of so many digits.
fn hexadecimal(rest: &[u8], from: usize, digits: usize) -> Option<u8> {
    let digits = rest.get(from..from + digits)?;
    let value = digits.iter().try_fold(0_u32, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })?;
    u8::try_from(value).ok().filter(u8::is_ascii)
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Blanks, quotes and what separates fields; anything else may be a part of a key.
fn ends_a_key(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"'`<>&;,?#/{}[]()".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> String {
        without(Secrets::KeysAndFields, text).text.into_owned()
    }

    /// S11: in the way that each of these was stored in clear.
    #[test]
    fn a_key_is_taken_out_however_it_is_written() {
        let secret = "00112233445566778899aabb";
        for (sent, kept) in [
            (format!("/x/lap_op_{secret}/y"), "/x/lap_op_REDACTED/y"),
            (format!("a lap%5Fop%5F{secret}"), "a lap%5Fop%5FREDACTED"),
            (
                format!("lap%255Fop%255f{secret}&n=5"),
                "lap%255Fop%255fREDACTED&n=5",
            ),
            (format!("%6cap_cl_{secret}%26n"), "%6cap_cl_REDACTED%26n"),
            (
                format!(r#"["lap\u005fop\u005f{secret}",1]"#),
                r#"["lap\u005fop\u005fREDACTED",1]"#,
            ),
            (
                format!(r#""lap\\u005fop_{secret}\" x""#),
                r#""lap\\u005fop_REDACTED\" x""#,
            ),
            (format!("LAP_OP_{secret}"), "LAP_OP_REDACTED"),
            (format!("lap_op_{secret}-{secret}.x_y~é z"), "lap_op_REDACTED z"),
        ] {
            assert_eq!(clean(&sent), kept);
            let keys = without(Secrets::Keys, &sent);
            assert_eq!((&*keys.text, keys.had_guessable), (kept, false));
        }
    }

    #[test]
    fn what_a_secret_field_holds_is_taken_out() {
        for (sent, kept) in [
            ("a=1&key=abc&n=5", "a=1&key=REDACTED&n=5"),
            ("API-Key=a%26b&n=5", "API-Key=REDACTED&n=5"),
            ("p%61ssword=x", "p%61ssword=REDACTED"),
            (
                r#"{"db_Password" : "a\"b", "n": 1}"#,
                r#"{"db_Password" : "REDACTED", "n": 1}"#,
            ),
            (r#"{"\u0074oken":123}"#, r#"{"\u0074oken":REDACTED}"#),
            (
                "Authorization: Bearer abc\r\nx: y",
                "Authorization: REDACTED\r\nx: y",
            ),
            (
                r#"{"password":["x", "]", ["y"]], "n": 1}"#,
                r#"{"password":[REDACTED], "n": 1}"#,
            ),
            (
                r#"{"credentials":{"user":"u","pass":"p"},"n":1}"#,
                r#"{"credentials":{REDACTED},"n":1}"#,
            ),
            (r#"{"password":["x"#, r#"{"password":[REDACTED"#),
            (r#"{"a":{"pass":"p"}}"#, r#"{"a":{"pass":"REDACTED"}}"#),
            ("password[]=x&n=5", "password[]=REDACTED&n=5"),
            ("password%5B%5D=x&n=5", "password%5B%5D=REDACTED&n=5"),
            ("password[12]=x&n=5", "password[12]=REDACTED&n=5"),
            ("user[password]=x&n=5", "user[password]=REDACTED&n=5"),
            (
                "secret_key=x&access-key=y",
                "secret_key=REDACTED&access-key=REDACTED",
            ),
            ("privateKey=x&pin=1234", "privateKey=REDACTED&pin=REDACTED"),
            ("user_pass=x", "user_pass=REDACTED"),
            (
                r#""{\"password\":\"a b\",\"n\":1}""#,
                r#""{\"password\":\"REDACTED\",\"n\":1}""#,
            ),
        ] {
            assert_eq!(clean(sent), kept);
            assert!(without(Secrets::KeysAndFields, sent).had_guessable);
            assert_eq!(without(Secrets::Keys, sent).text, sent);
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in [
            "",
            r#"{"carat":1.1,"cut":"Ideal","range_reason":null,"x":6.61}"#,
            "explain=true&limit=5",
            "key_id=5&monkey=1&spin=2&pinned=3&compass=4",
            r#"{"diamonds":[{"carat":1}],"keys":[1],"passed":{"a":1}}"#,
            "Mozilla/5.0 (X11; Linux) key monkey=1",
            "100%25 lap_ lap_cl_ lap_op_",
            "50%",
            "\\",
            "%u005f%zz\\u12",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_passed_whole_and_holds_no_key_afterwards(parts in prop::collection::vec(
            prop_oneof!["lap", "[_%\\\\\"':=& ]", "(%5f|%255F|u005f)", "(cl|op)", "[a-z0-9]{1,9}", "é", "(key|token)"], 0..40)) {
            let text = parts.concat();
            let cleaned = clean(&text);
            prop_assert_eq!(clean(&cleaned), cleaned.clone());
            prop_assert!(may_hold(Secrets::KeysAndFields, text.as_bytes()) || cleaned == text);
        }
    }

    /// S1: each of these took minutes when every key was a pass over all of the text. No clock: had it not been linear,
    /// it would not end.
    #[test]
    fn four_megabytes_of_anything_are_one_pass() {
        for piece in [
            "lap_cl_ ",
            "lap_cl_",
            "lap_cl_x ",
            "%25",
            "\\",
            "lap%5F",
            "key=\"",
            "key=",
            "key=[",
            "key=[{\"",
            "[1",
            "_",
        ] {
            let text = piece.repeat((4 << 20) / piece.len());
            assert!(clean(&text).len() <= 2 * text.len());
        }
    }
}
