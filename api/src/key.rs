//! The text of an API key: a secret that is shown once, and of which only the hash is stored.

use domain::{Sha256, key::Role};
use rand::{
    TryRng as _,
    rngs::{SysError, SysRng},
};
use secrecy::{ExposeSecret as _, SecretString};

/// How the keys made here begin, clients' and operators'; so that a key is known for one wherever it turns up.
pub(crate) const PREFIXES: [&str; 2] = ["lap_cl_", "lap_op_"];
const RANDOM_BYTES: usize = 24;
const SHORTEST: usize = 32;

/// A key's text.
pub(crate) struct KeyText(SecretString);

/// A text that is no good as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key has at least {SHORTEST} characters, all of them visible ASCII")]
pub(crate) struct NoKey;

impl KeyText {
    /// A new key, from the operating system's random numbers.
    pub(crate) fn new(role: Role) -> Result<Self, SysError> {
        let [client, operator] = PREFIXES;
        let prefix = match role {
            Role::Client => client,
            Role::Operator => operator,
        };
        let mut random = [0; RANDOM_BYTES];
        SysRng.try_fill_bytes(&mut random)?;
        Ok(Self(SecretString::from(format!(
            "{prefix}{}",
            hex::encode(random)
        ))))
    }

    /// A key that someone else made; whether it can be guessed is up to them.
    pub(crate) fn given(text: String) -> Result<Self, NoKey> {
        let good = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(SecretString::from(text))).ok_or(NoKey)
    }

    /// What is stored of it.
    pub(crate) fn hash(&self) -> Sha256 {
        Sha256::of(self.expose().as_bytes())
    }

    /// The text, to be shown to whoever made the key and to nobody else.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Whether keys begin like this text.
pub(crate) fn looks_like_a_key(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_tell_their_role() {
        let (one, other) = (
            KeyText::new(Role::Operator).unwrap(),
            KeyText::new(Role::Operator).unwrap(),
        );
        assert_ne!(one.expose(), other.expose());
        let digits = one.expose().strip_prefix("lap_op_").unwrap();
        assert_eq!(digits.len(), 48);
        assert!(digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        assert!(
            KeyText::new(Role::Client)
                .unwrap()
                .expose()
                .starts_with("lap_cl_")
        );
    }

    #[test]
    fn a_given_key_is_long_and_fits_into_a_header() {
        assert!(KeyText::given("x".repeat(32)).is_ok());
        for wrong in ["x".repeat(31), format!("{} ", "x".repeat(32)), "ü".repeat(32)] {
            assert!(KeyText::given(wrong).is_err());
        }
    }
}
