//! Files: TOML texts merged into one tree that remembers where each value stands.

use std::collections::HashMap;
use std::path::PathBuf;

use config::{ConfigError, File, FileFormat, Value, ValueKind};

use crate::settings::Problems;

const SHIPPED: &str = include_str!("../../config/nadikota.toml");

/// Every file that can be read, later ones over earlier ones: tables are merged, lists are replaced.
pub(super) fn read(files: &[PathBuf], problems: &Problems) -> Value {
    let mut tree = Value::new(None, ValueKind::Table(HashMap::new()));
    for path in files {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"));
        match text.and_then(|text| parse(&text)) {
            Ok(mut values) => {
                stamp(&mut values, &name);
                merge(&mut tree, values);
            }
            Err(wrong) => problems.add(None, name, wrong),
        }
    }
    tree
}

/// The file that is part of the binary.
pub(super) fn shipped(problems: &Problems) -> Value {
    parse(SHIPPED).unwrap_or_else(|wrong| {
        problems.add(None, "the configuration inside the program", wrong);
        Value::new(None, ValueKind::Table(HashMap::new()))
    })
}

fn parse(text: &str) -> Result<Value, String> {
    let source = File::from_str(text, FileFormat::Toml);
    match config::Config::builder().add_source(source).build() {
        Ok(read) => Ok(read.cache),
        Err(ConfigError::FileParse { cause, .. }) => Err(format!("is not valid TOML: {cause}")),
        Err(other) => Err(other.to_string()),
    }
}

/// Writes the file's name on every value, so that a mistake can name it.
fn stamp(value: &mut Value, name: &String) {
    let mut kind = std::mem::replace(&mut value.kind, ValueKind::Nil);
    match &mut kind {
        ValueKind::Table(table) => table.values_mut().for_each(|inner| stamp(inner, name)),
        ValueKind::Array(items) => items.iter_mut().for_each(|inner| stamp(inner, name)),
        _ => {}
    }
    *value = Value::new(Some(name), kind);
}

fn merge(base: &mut Value, mut over: Value) {
    if let (ValueKind::Table(base), ValueKind::Table(over)) = (&mut base.kind, &mut over.kind) {
        for (key, value) in over.drain() {
            merge(base.entry(key).or_insert_with(|| Value::new(None, ValueKind::Nil)), value);
        }
    } else {
        *base = over;
    }
}

/// The entries of the tree's root.
pub(super) fn table(tree: Value) -> HashMap<String, Value> {
    match tree.kind {
        ValueKind::Table(table) => table,
        _ => HashMap::new(),
    }
}
