//! Setting: one key that a room asked for, kept so that people can see what it got and from where.

use serde::Serialize;
use serde_json::Value;
use url::Url;

/// Keys that hold a secret, in any section; `<key>_file` names a file that holds it.
pub const SECRETS: [&str; 2] = ["password", "token"];
const STARS: &str = "***";
/// The origin of what stands in the configuration that is part of the program.
const INSIDE: &str = "inside the program";

/// One key, as the room that asked for it read it. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// With its section, such as `destinations[0].url`.
    pub key: String,
    /// The key without what differs between configurations, such as `destinations[].url`.
    #[serde(skip)]
    pub pattern: String,
    /// Nothing where it is unset and has no default.
    pub value: Option<Value>,
    /// File or environment variable; nothing where nobody wrote it.
    pub origin: Option<String>,
    /// Nothing where being unset is the default.
    pub default: Option<Value>,
    pub required: bool,
}

/// What a key has when nobody writes it.
#[derive(Debug)]
pub(super) enum Unset<'t, T> {
    Default(&'t T),
    Nothing,
    Refused,
}

impl Setting {
    /// `read` is the value with its origin, where the operator wrote one that can be read.
    pub(super) fn new<T: Serialize>(
        key: String,
        pattern: String,
        read: Option<(&T, Option<String>)>,
        unset: &Unset<'_, T>,
    ) -> Self {
        let default = match unset {
            Unset::Default(default) => Some(shown(&key, default)),
            Unset::Nothing | Unset::Refused => None,
        };
        let (value, origin) = match read {
            Some((value, origin)) => {
                (Some(shown(&key, value)), Some(origin.unwrap_or_else(|| INSIDE.to_owned())))
            }
            None => (default.clone(), None),
        };
        Self { key, pattern, value, origin, default, required: matches!(unset, Unset::Refused) }
    }
}

/// The value as JSON, which has every type that configuration has; secrets are stars.
fn shown<T: Serialize>(key: &str, value: &T) -> Value {
    let name = key.rsplit('.').next().unwrap_or_default();
    if SECRETS.contains(&name) {
        return STARS.into();
    }
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => without_secrets(text).into(),
        Ok(value) => value,
        // A path that is not UTF-8 can come from no file and no variable of ours.
        Err(_) => Value::Null,
    }
}

/// Addresses are where tokens and passwords hide.
fn without_secrets(text: String) -> String {
    let Ok(mut url) = Url::parse(&text) else { return text };
    if url.password().is_none() && url.query().is_none() {
        return text;
    }
    if url.password().is_some() && url.set_password(Some(STARS)).is_err() {
        return STARS.to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some(STARS));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(key: &str, text: &str) -> Option<Value> {
        let text = text.to_owned();
        Setting::new(key.to_owned(), key.to_owned(), Some((&text, None)), &Unset::Nothing).value
    }

    #[test]
    fn secrets_are_stars_wherever_they_stand() {
        for key in ["password", "http.token", "destinations[3].token"] {
            assert_eq!(value(key, "hunter2"), Some("***".into()), "{key}");
            let default = "hunter2".to_owned();
            let unset = Setting::new(key.to_owned(), key.to_owned(), None, &Unset::Default(&default));
            assert_eq!((unset.value, unset.default), (Some("***".into()), Some("***".into())));
        }
        assert_eq!(value("url", "http://h:1/?token=x"), Some("http://h:1/?***".into()));
        assert_eq!(value("url", "http://u:hunter2@h:1/a"), Some("http://u:***@h:1/a".into()));
        assert_eq!(value("mqtt.user", "nadikota"), Some("nadikota".into()));
    }

    #[test]
    fn what_nobody_wrote_has_no_origin() {
        let setting = Setting::new("a".to_owned(), "a".to_owned(), None, &Unset::Default(&7));
        assert_eq!((setting.value, setting.origin), (Some(7.into()), None));
        let setting = Setting::new("a".to_owned(), "a".to_owned(), Some((&8, None)), &Unset::Refused);
        assert_eq!((setting.value, setting.origin.as_deref()), (Some(8.into()), Some(INSIDE)));
        assert!(setting.required);
    }
}
