//! Files: TOML texts merged into one tree that remembers where each value stands.

use std::collections::HashMap;
use std::path::PathBuf;

use config::{ConfigError, File, FileFormat, Value, ValueKind};

use crate::settings::Problems;

const SHIPPED: &str = include_str!("../../config/nadikota.toml");

/// Every file that can be read, later ones over earlier ones: tables are merged, lists are replaced.
pub(super) fn read(files: &[PathBuf], problems: &Problems) -> Value {
    let mut builder = config::Config::builder();
    for path in files {
        let name = path.display().to_string();
        // The library would look for other endings of a name that is not there: one name, one file.
        if let Err(error) = std::fs::File::open(path) {
            problems.add(None, name, format!("cannot be read: {error}"));
            continue;
        }
        let source = File::from(path.clone()).format(FileFormat::Toml);
        match config::Config::builder().add_source(source.clone()).build() {
            Ok(_) => builder = builder.add_source(source),
            Err(error) => problems.add(None, name, text_of(&error)),
        }
    }
    finish(builder, problems)
}

/// The file that is part of the binary.
pub(super) fn shipped(problems: &Problems) -> Value {
    finish(config::Config::builder().add_source(File::from_str(SHIPPED, FileFormat::Toml)), problems)
}

fn finish(builder: config::ConfigBuilder<config::builder::DefaultState>, problems: &Problems) -> Value {
    match builder.build() {
        Ok(tree) => tree.cache,
        Err(error) => {
            problems.add(None, "configuration", text_of(&error));
            Value::new(None, ValueKind::Table(HashMap::new()))
        }
    }
}

fn text_of(error: &ConfigError) -> String {
    match error {
        ConfigError::FileParse { cause, .. } => format!("is not valid TOML: {cause}"),
        other => other.to_string(),
    }
}

/// The entries of the tree's root.
pub(super) fn table(tree: Value) -> HashMap<String, Value> {
    match tree.kind {
        ValueKind::Table(table) => table,
        _ => HashMap::new(),
    }
}
