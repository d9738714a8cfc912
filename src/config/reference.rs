//! Reference data: catalogue, profiles and registry, from the files the configuration names or from the binary.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::catalogue::{Catalogue, Profiles};
use crate::registry::Registry;
use crate::settings::{Problems, Section};

const CATALOGUE: &str = include_str!("../../config/catalogue.toml");
const PROFILES: &str = include_str!("../../config/profiles/pasuruan.toml");
/// The registry of the simulated city, which the demo runs with.
pub const DEMO_DEVICES: &str = include_str!("../../config/devices.csv");

/// What the transform looks up.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) catalogue: Catalogue,
    pub(super) profiles: Profiles,
    pub(super) registry: Registry,
}

/// Where to read it; unset ones come from the binary. A registry that nobody names is empty.
#[derive(Debug, Default)]
pub(super) struct Sources {
    catalogue: Option<PathBuf>,
    profiles: Option<PathBuf>,
    devices: Option<PathBuf>,
    inside: bool,
}

impl Sources {
    /// Reads the three keys of the root. The configuration inside the binary means the files inside it.
    pub(super) fn take(root: &mut Section, inside: bool) -> Self {
        let [catalogue, profiles, devices] =
            ["catalogue", "profiles", "devices"].map(|key| root.optional::<PathBuf>(key));
        if inside {
            return Self { inside, ..Self::default() };
        }
        Self { catalogue, profiles, devices, inside }
    }

    /// Files, and the folder of the profiles.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        [&self.catalogue, &self.profiles, &self.devices].into_iter().flatten().cloned().collect()
    }

    /// Reads all of it; every mistake becomes a problem.
    pub(super) fn read(self, zone: &TimeZone, problems: &Problems) -> Reference {
        let (text, origin) = self.text("catalogue", self.catalogue.as_deref(), CATALOGUE, problems);
        let catalogue = kept("catalogue", Catalogue::load(&text, &origin), problems);
        let files = match &self.profiles {
            None => vec![("the profiles inside the program".to_owned(), PROFILES.to_owned())],
            Some(folder) => toml_files(folder, problems),
        };
        let profiles = kept("profiles", Profiles::load(&files, &catalogue), problems);
        let registry = if self.inside || self.devices.is_some() {
            let (text, origin) = self.text("devices", self.devices.as_deref(), DEMO_DEVICES, problems);
            kept("devices", Registry::load(&text, &origin, zone, &profiles), problems)
        } else {
            Registry::default()
        };
        Reference { catalogue, profiles, registry }
    }

    fn text(&self, key: &str, path: Option<&Path>, inside: &str, problems: &Problems) -> (String, String) {
        let Some(path) = path else {
            return (inside.to_owned(), format!("the {key} inside the program"));
        };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => (text, name),
            Err(error) => {
                problems.add(None, key, format!("{name}: {error}"));
                (inside.to_owned(), name)
            }
        }
    }
}

fn kept<T: Default>(key: &str, read: Result<T, Vec<String>>, problems: &Problems) -> T {
    read.unwrap_or_else(|wrong| {
        for text in wrong {
            problems.add(None, key, text);
        }
        T::default()
    })
}

/// The folder's `.toml` files in the order of their names.
fn toml_files(folder: &Path, problems: &Problems) -> Vec<(String, String)> {
    let listed = std::fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
    });
    let mut paths = listed.unwrap_or_else(|error| {
        problems.add(None, "profiles", format!("{}: {error}", folder.display()));
        Vec::new()
    });
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push((path.display().to_string(), text)),
            Err(error) => problems.add(None, "profiles", format!("{}: {error}", path.display())),
        }
    }
    files
}
