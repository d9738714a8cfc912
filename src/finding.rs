//! A finding: one line of what `check --connect` and `database setup` saw, and what to do about it.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Ok,
    /// It works, but something will be missing or lost one day.
    Warning,
    /// It cannot work like this.
    Wrong,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub grade: Grade,
    /// What was looked at, such as `destination default: write`.
    pub about: String,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what_to_do: Option<String>,
}

impl Finding {
    pub fn ok(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { grade: Grade::Ok, about: about.into(), text: text.into(), what_to_do: None }
    }

    pub fn warning(about: impl Into<String>, text: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        let what_to_do = Some(what_to_do.into());
        Self { grade: Grade::Warning, about: about.into(), text: text.into(), what_to_do }
    }

    pub fn wrong(about: impl Into<String>, text: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        let what_to_do = Some(what_to_do.into());
        Self { grade: Grade::Wrong, about: about.into(), text: text.into(), what_to_do }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let grade = match self.grade {
            Grade::Ok => "ok",
            Grade::Warning => "warning",
            Grade::Wrong => "wrong",
        };
        write!(f, "{grade:<8} {}: {}", self.about, self.text)?;
        match &self.what_to_do {
            Some(what_to_do) => write!(f, "; {what_to_do}"),
            None => Ok(()),
        }
    }
}
