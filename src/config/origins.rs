//! Origins: where each key stands, so that a mistake a room finds later can still name its file or variable.

use std::collections::HashMap;

use config::{Value, ValueKind};

use crate::settings::Problem;

/// The origin of every key, table and list entry, by its full path.
#[derive(Debug, Default)]
pub(super) struct Origins(HashMap<String, String>);

impl Origins {
    pub(super) fn of(tree: &Value) -> Self {
        let mut origins = Self::default();
        origins.walk(tree, String::new());
        origins
    }

    fn walk(&mut self, value: &Value, path: String) {
        match &value.kind {
            ValueKind::Table(table) => {
                for (key, inner) in table {
                    self.walk(inner, if path.is_empty() { key.clone() } else { format!("{path}.{key}") });
                }
            }
            ValueKind::Array(items) => {
                for (index, inner) in items.iter().enumerate() {
                    self.walk(inner, format!("{path}[{index}]"));
                }
            }
            _ => {}
        }
        if let Some(origin) = value.origin() {
            self.0.insert(path, origin.to_owned());
        }
    }

    /// Fills in what the room could not know: the origin of the key or, where it is missing, of what should hold it.
    pub(super) fn complete(&self, problem: &mut Problem) {
        if problem.origin.is_some() {
            return;
        }
        let mut path = problem.key.as_str();
        loop {
            if let Some(origin) = self.0.get(path) {
                problem.origin = Some(origin.clone());
                return;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return,
            }
        }
    }
}
