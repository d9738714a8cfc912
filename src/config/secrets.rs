//! Secrets: `token_file` and `password_file` become `token` and `password`, before any room reads them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use config::{Value, ValueKind};

use crate::secret::Secret;
use crate::settings::{Problems, SECRETS};

/// Keys that name a file which a room reads itself, again and again.
const FILES: [&str; 3] = ["ca_file", "client_cert_file", "client_key_file"];
/// The same of the root.
const REFERENCE: [&str; 4] = ["catalogue", "profiles", "devices", "codecs"];
/// Where the room reads a secret's file again when the secret is refused, so its path stays in the tree.
const AGAIN: &str = "destinations[";

/// Replaces each `X_file` in the tree by `X`. Both at once is a mistake: one of them would be silently unused.
pub(super) fn resolve(tree: &mut Value, problems: &Problems) {
    if let ValueKind::Table(root) = &mut tree.kind {
        for key in REFERENCE {
            settle(root, key);
        }
    }
    walk(tree, "", problems);
}

fn walk(value: &mut Value, path: &str, problems: &Problems) {
    match &mut value.kind {
        ValueKind::Table(table) => {
            for key in SECRETS {
                replace(table, key, path, problems);
            }
            for key in FILES {
                settle(table, key);
            }
            for (key, inner) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(inner, &path, problems);
            }
        }
        ValueKind::Array(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                walk(inner, &format!("{path}[{index}]"), problems);
            }
        }
        _ => {}
    }
}

fn replace(table: &mut HashMap<String, Value>, key: &str, path: &str, problems: &Problems) {
    let file_key = format!("{key}_file");
    let Some(named) = table.remove(&file_key) else { return };
    let origin = named.origin().map(ToOwned::to_owned);
    let full = if path.is_empty() { file_key.clone() } else { format!("{path}.{file_key}") };
    if table.contains_key(key) {
        problems.add(origin, full, format!("is set beside \"{key}\"; keep one of the two"));
        return;
    }
    let file = match named.into_string() {
        Ok(text) => beside(origin.as_deref(), Path::new(&text)),
        Err(_) => return problems.add(origin, full, "must be the path of a file"),
    };
    match Secret::read(&file) {
        Ok(secret) => {
            let name = file.display().to_string();
            if path.starts_with(AGAIN) {
                table.insert(file_key, Value::new(origin.as_ref(), ValueKind::String(name.clone())));
            }
            let secret = ValueKind::String(secret.reveal().to_owned());
            table.insert(key.to_owned(), Value::new(Some(&name), secret));
        }
        Err(wrong) => problems.add(origin, full, format!("{}: {wrong}", file.display())),
    }
}

/// Makes the path what it means in the file it stands in.
fn settle(table: &mut HashMap<String, Value>, key: &str) {
    let Some(value) = table.get_mut(key) else { return };
    let origin = value.origin().map(ToOwned::to_owned);
    if let ValueKind::String(text) = &value.kind {
        let path = beside(origin.as_deref(), Path::new(text)).display().to_string();
        *value = Value::new(origin.as_ref(), ValueKind::String(path));
    }
}

/// A relative path written in a configuration file is relative to that file.
fn beside(origin: Option<&str>, path: &Path) -> PathBuf {
    match origin.map(Path::new).filter(|origin| origin.is_file()).and_then(Path::parent) {
        Some(folder) => folder.join(path),
        None => path.to_owned(),
    }
}
