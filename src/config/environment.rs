//! Environment: `NADIKOTA__HTTP__LISTEN` over `http.listen`, `NADIKOTA__DESTINATIONS__0__URL` over the first one's `url`.

use std::collections::HashMap;

use config::{File, FileFormat, Value, ValueKind};

use crate::settings::Problems;

const PREFIX: &str = "NADIKOTA__";

/// Puts every variable that is ours into the tree, in the order of their names.
pub(super) fn apply(
    tree: &mut Value,
    variables: impl IntoIterator<Item = (String, String)>,
    problems: &Problems,
) {
    let mut ours: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    for (name, text) in ours {
        let path = name.strip_prefix(PREFIX).unwrap_or_default().to_lowercase();
        let value = Value::new(Some(&name), kind_of(text));
        if let Err(wrong) = put(tree, path.split("__"), value) {
            problems.add(Some(name), path.replace("__", "."), wrong);
        }
    }
}

/// Text stays text, which the rooms read as number, size or time; a list is written as in TOML.
fn kind_of(text: String) -> ValueKind {
    if text.starts_with('[')
        && let Ok(read) = config::Config::builder()
            .add_source(File::from_str(&format!("list = {text}"), FileFormat::Toml))
            .build()
        && let Ok(list) = read.get::<Value>("list")
        && matches!(list.kind, ValueKind::Array(_))
    {
        return list.kind;
    }
    ValueKind::String(text)
}

fn put<'a>(place: &mut Value, mut path: impl Iterator<Item = &'a str>, value: Value) -> Result<(), String> {
    let Some(key) = path.next() else {
        *place = value;
        return Ok(());
    };
    if key.is_empty() {
        return Err("has an empty part between two double underscores".to_owned());
    }
    if let ValueKind::Array(items) = &mut place.kind {
        let held = items.len();
        let item = key.parse::<usize>().ok().and_then(|index| items.get_mut(index));
        let item =
            item.ok_or_else(|| format!("\"{key}\" is none of the list's {held} entries, counted from 0"))?;
        return put(item, path, value);
    }
    if !matches!(place.kind, ValueKind::Table(_)) {
        *place = Value::new(origin(&value).as_ref(), ValueKind::Table(HashMap::new()));
    }
    let ValueKind::Table(table) = &mut place.kind else { return Ok(()) };
    let place =
        table.entry(key.to_owned()).or_insert_with(|| Value::new(origin(&value).as_ref(), ValueKind::Nil));
    put(place, path, value)
}

fn origin(value: &Value) -> Option<String> {
    value.origin().map(ToOwned::to_owned)
}
