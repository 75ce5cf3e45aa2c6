//! JSON as it was sent: fields given twice and numbers too large for a double are still there to be complained of.
//!
//! Bounded: in depth by [`MAX_DEPTH`], in memory by [`MAX_VALUES`].

use std::borrow::Cow;

use super::diamond;

/// How deep lists and objects may be nested.
const MAX_DEPTH: usize = 32;
/// How many values there may be: each takes up to 56 bytes here, and as little as two in the text.
const MAX_VALUES: usize = 250_000;

/// A value; an object's fields are in the order in which they came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// Infinite when the number does not fit into a double.
    Number(f64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Why bytes are not taken for JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotJson {
    /// They are none.
    #[error("the body is not JSON: {what} at line {line}, column {column}")]
    Malformed {
        what: &'static str,
        line: usize,
        column: usize,
    },
    /// They are, and too much of it.
    #[error("the body holds more than {MAX_VALUES} values; send less at a time")]
    TooMany,
}

/// Reads a whole text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json<'_>, NotJson> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed(bytes, error.valid_up_to(), "text that is not UTF-8"))?;
    let mut parser = Parser {
        text,
        at: 0,
        values: 0,
    };
    let parsed = parser.document();
    parsed.map_err(|fault| match fault {
        Fault::TooMany => NotJson::TooMany,
        Fault::Expected(what) => malformed(bytes, parser.at, what),
    })
}

/// Lines and columns count from 1, columns in bytes.
fn malformed(bytes: &[u8], at: usize, what: &'static str) -> NotJson {
    let before = &bytes[..at.min(bytes.len())];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    NotJson::Malformed {
        what,
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: before.len() - line_start + 1,
    }
}

enum Fault {
    Expected(&'static str),
    TooMany,
}

type Parsed<T> = Result<T, Fault>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl<'a> Parser<'a> {
    fn document(&mut self) -> Parsed<Json<'a>> {
        let value = self.value(0)?;
        self.blanks();
        if self.at < self.text.len() {
            return Err(Fault::Expected("something after the value"));
        }
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Parsed<Json<'a>> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(Fault::TooMany);
        }
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(Fault::Expected("something that begins no value")),
            None => Err(Fault::Expected("the end where a value should be")),
        }
    }

    fn object(&mut self, depth: usize) -> Parsed<Json<'a>> {
        self.enter(depth)?;
        if self.takes(b'}') {
            return Ok(Json::Object(Vec::new()));
        }
        // A body that is one object is a diamond as a rule; of others there may be many.
        let mut fields = Vec::with_capacity(if depth == 1 { diamond::FIELDS.len() } else { 0 });
        loop {
            fields.push(self.field(depth)?);
            if !self.goes_on(b'}', "a missing `,` or `}`")? {
                return Ok(Json::Object(fields));
            }
        }
    }

    fn field(&mut self, depth: usize) -> Parsed<(Cow<'a, str>, Json<'a>)> {
        self.blanks();
        if self.peek() != Some(b'"') {
            return Err(Fault::Expected("a missing field name in quotes"));
        }
        let name = self.string()?;
        if !self.takes(b':') {
            return Err(Fault::Expected("a missing `:`"));
        }
        Ok((name, self.value(depth)?))
    }

    fn list(&mut self, depth: usize) -> Parsed<Json<'a>> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.takes(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            if !self.goes_on(b']', "a missing `,` or `]`")? {
                return Ok(Json::List(items));
            }
        }
    }

    /// Whether another item follows, or the end.
    fn goes_on(&mut self, end: u8, expected: &'static str) -> Parsed<bool> {
        self.blanks();
        if self.skip(b',') {
            Ok(true)
        } else if self.skip(end) {
            Ok(false)
        } else {
            Err(Fault::Expected(expected))
        }
    }

    fn enter(&mut self, depth: usize) -> Parsed<()> {
        if depth > MAX_DEPTH {
            return Err(Fault::Expected("nesting of more than 32 levels"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Parsed<Cow<'a, str>> {
        self.at += 1;
        let mut text = Cow::Borrowed(self.plain());
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let escaped = self.escaped()?;
                    text.to_mut().push(escaped);
                    text.to_mut().push_str(self.plain());
                }
                Some(_) => return Err(Fault::Expected("a control character in a text")),
                None => return Err(Fault::Expected("a text without its closing quote")),
            }
        }
    }

    /// What stands for itself in a text.
    fn plain(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let is_special = |byte| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let plain = &rest[..rest.bytes().position(is_special).unwrap_or(rest.len())];
        self.at += plain.len();
        plain
    }

    fn escaped(&mut self) -> Parsed<char> {
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return Err(Fault::Expected("an unknown escape in a text"));
            }
        })
    }

    /// `XXXX` after `\u`, or two such for what lies beyond.
    fn unicode(&mut self) -> Parsed<char> {
        let lone = Fault::Expected("half of a surrogate pair in a text");
        let first = self.four_digits()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or(lone);
        }
        let rest = self.text.as_bytes().get(self.at..self.at + 2);
        if first >= 0xdc00 || rest != Some(br"\u") {
            return Err(lone);
        }
        self.at += 2;
        let second = self.four_digits()?;
        let low = second.wrapping_sub(0xdc00);
        if low >= 0x400 {
            return Err(lone);
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + low).ok_or(lone)
    }

    fn four_digits(&mut self) -> Parsed<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or(Fault::Expected("`\\u` without four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Parsed<Json<'a>> {
        let start = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _signed = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        let number = self.text[start..self.at].parse();
        number
            .map(Json::Number)
            .map_err(|_| Fault::Expected("a number that is none"))
    }

    fn digits(&mut self) -> Parsed<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(Fault::Expected("a missing digit"));
        }
        self.at += digits;
        Ok(())
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Parsed<Json<'a>> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Fault::Expected("a word that is none of true, false and null"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// Skips blanks, and this byte if it comes then.
    fn takes(&mut self, byte: u8) -> bool {
        self.blanks();
        self.skip(byte)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests;
