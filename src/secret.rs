//! A secret: text that never shows itself in a log, an error or a page.

use std::fmt;
use std::path::Path;

/// A secret is a line of text; whatever is larger is another file, named by mistake.
const LARGEST: u64 = 64 * 1024;

/// A password or token. `Debug` and `Display` show stars only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A file's text without the line's end; the error says what is wrong, without the path.
    pub fn read(file: &Path) -> Result<Self, String> {
        let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
        if size > LARGEST {
            return Err("is too large for a secret".to_owned());
        }
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() { Err("is empty".to_owned()) } else { Ok(Self::new(secret)) }
    }

    /// A new one that nobody can guess, from the system's random numbers.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The text itself, for the one place that must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
