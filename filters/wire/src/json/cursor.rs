//! A place in a JSON text (RFC 8259), and the steps that can be made from there.
//!
//! Closures are not generic: there is one of each step in the module, whatever it is used for.

use std::borrow::Cow;

use super::{Error, Result};

/// What has not been read yet.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads all of `text` by `read`.
    pub(super) fn all<T>(text: &'a [u8], read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let mut cursor = Self { rest: text };
        let read = read(&mut cursor).and_then(|value| cursor.end().map(|()| value));
        read.map_err(|error| Error { left: cursor.rest.len(), ..error })
    }

    fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Error::new("expected the end")),
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Whether the next byte is this one; it is read then.
    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        there
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(Error::new(["expected `", char::from(byte).encode_utf8(&mut [0; 4]), "`"].concat())),
        }
    }

    fn word(&mut self, word: &str) -> bool {
        self.peek();
        let rest = self.rest.strip_prefix(word.as_bytes());
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Whether there is a `null`; it is read then.
    pub(super) fn null(&mut self) -> bool {
        self.word("null")
    }

    pub(super) fn bool(&mut self) -> Result<bool> {
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(Error::new("expected a boolean"))
        }
    }

    /// A whole number, not negative, that fits.
    pub(super) fn number<N: TryFrom<u64>>(&mut self) -> Result<N> {
        self.u64().and_then(|number| N::try_from(number).map_err(|_| Error::new("the number is too large")))
    }

    fn u64(&mut self) -> Result<u64> {
        self.peek();
        let mut number = None;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            if number == Some(0) {
                return Err(Error::new("a number begins with zero"));
            }
            let more = number.unwrap_or(0_u64).checked_mul(10);
            number = more.and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
            if number.is_none() {
                return Err(Error::new("the number is too large"));
            }
            self.rest = rest;
        }
        // What may follow in a fraction cannot follow a value: the next step refuses it.
        number.ok_or_else(|| Error::new("expected a whole number"))
    }

    /// Whether an object comes next.
    pub(super) fn is_object(&mut self) -> bool {
        self.peek() == Some(b'{')
    }

    /// Calls `field` with each name; it reads the value.
    pub(super) fn object(&mut self, field: &mut dyn FnMut(&str, &mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.text()?;
            self.expect(b':')?;
            field(&name, self)?;
            if !self.take(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Calls `item` for each; it reads the item.
    pub(super) fn array(&mut self, item: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if !self.take(b',') {
                return self.expect(b']');
            }
        }
    }

    /// An array of exactly two.
    pub(super) fn pair<A, B>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Result<A>,
        second: impl FnOnce(&mut Self) -> Result<B>,
    ) -> Result<(A, B)> {
        self.expect(b'[')?;
        let first = first(self)?;
        self.expect(b',')?;
        let second = second(self)?;
        self.expect(b']')?;
        Ok((first, second))
    }

    pub(super) fn string(&mut self) -> Result<String> {
        self.text().map(Cow::into_owned)
    }

    /// A string, borrowed if it has no escapes.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>> {
        self.expect(b'"')?;
        let plain = self.plain()?;
        if let [b'"', rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok(Cow::Owned(text));
                }
                [b'\\', rest @ ..] => {
                    self.rest = rest;
                    text.push(self.escape()?);
                }
                _ => return Err(Error::new("expected the end of a string")),
            }
            text.push_str(self.plain()?);
        }
    }

    /// What comes before the next quote, backslash or control byte.
    fn plain(&mut self) -> Result<&'a str> {
        let end = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        let (plain, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or_default();
        self.rest = rest;
        std::str::from_utf8(plain).map_err(|_| Error::new("a string is not UTF-8"))
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char> {
        let wrong = || Error::new("a string has an escape that JSON does not know");
        let (kind, rest) = self.rest.split_first().ok_or_else(wrong)?;
        self.rest = rest;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(*kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut code = self.hex().ok_or_else(wrong)?;
                if let (0xd800..=0xdbff, [b'\\', b'u', rest @ ..]) = (code, self.rest) {
                    self.rest = rest;
                    let low = self.hex().filter(|low| (0xdc00..=0xdfff).contains(low)).ok_or_else(wrong)?;
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                char::from_u32(code).ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
    }

    /// Passes over any value, and returns it as it stands: complete in brackets and quotes, not checked further.
    pub(super) fn value(&mut self) -> Result<&'a [u8]> {
        self.peek();
        let start = self.rest;
        let mut depth = 0_usize;
        loop {
            let byte = self.peek().ok_or_else(|| Error::new("expected a value"))?;
            match byte {
                b'"' => self.pass_string()?,
                b'{' | b'[' => {
                    self.rest = self.rest.get(1..).unwrap_or_default();
                    depth += 1;
                }
                b'}' | b']' if depth > 0 => {
                    self.rest = self.rest.get(1..).unwrap_or_default();
                    depth -= 1;
                }
                b',' | b':' if depth > 0 => self.rest = self.rest.get(1..).unwrap_or_default(),
                _ => self.pass_word()?,
            }
            // Within brackets, commas and colons are passed like values.
            if depth == 0 {
                let length = start.len() - self.rest.len();
                return Ok(start.get(..length).unwrap_or_default());
            }
        }
    }

    fn pass_string(&mut self) -> Result<()> {
        let mut rest = self.rest.get(1..).unwrap_or_default();
        loop {
            let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            let found = end.and_then(|end| rest.get(end..));
            let Some([kind, after @ ..]) = found else {
                return Err(Error::new("expected the end of a string"));
            };
            if *kind == b'"' {
                self.rest = after;
                return Ok(());
            }
            rest = after.get(1..).unwrap_or_default();
        }
    }

    /// A number, `true`, `false` or `null`.
    fn pass_word(&mut self) -> Result<()> {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = self.rest.iter().take_while(|byte| is_word(byte)).count();
        if length == 0 {
            return Err(Error::new("expected a value"));
        }
        self.rest = self.rest.get(length..).unwrap_or_default();
        Ok(())
    }
}
