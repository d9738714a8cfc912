//! Reference data: catalogue, profiles and registry, from the files the configuration names or from the binary.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::catalogue::{Catalogue, Profiles};
use crate::registry::Registry;
use crate::settings::{Problems, Section};

const CATALOGUE: &str = include_str!("../../config/catalogue.toml");
/// One file for each vendor or platform.
const PROFILES: &[(&str, &str)] = &[
    ("pasuruan", include_str!("../../config/profiles/pasuruan.toml")),
    ("lorawan", include_str!("../../config/profiles/lorawan.toml")),
    ("airgradient", include_str!("../../config/profiles/airgradient.toml")),
    ("sensorthings", include_str!("../../config/profiles/sensorthings.toml")),
    ("shelly", include_str!("../../config/profiles/shelly.toml")),
    ("smart_citizen", include_str!("../../config/profiles/smart_citizen.toml")),
    ("zigbee2mqtt", include_str!("../../config/profiles/zigbee2mqtt.toml")),
    ("fiware", include_str!("../../config/profiles/fiware.toml")),
    ("antares", include_str!("../../config/profiles/antares.toml")),
    ("tasmota", include_str!("../../config/profiles/tasmota.toml")),
    ("sensor_community", include_str!("../../config/profiles/sensor_community.toml")),
];
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

    /// Reads all of it; every mistake becomes a problem, but nothing that only follows from another: what names a part
    /// of a file that cannot be used is not judged. Nothing where catalogue or profiles cannot be used.
    pub(super) fn read(self, zone: &TimeZone, problems: &Problems) -> Option<Reference> {
        let text = text("catalogue", self.catalogue.as_deref(), CATALOGUE, problems);
        let catalogue =
            text.and_then(|(text, origin)| kept("catalogue", Catalogue::load(&text, &origin), problems));
        let files = match &self.profiles {
            None => Some(inside()),
            Some(folder) => toml_files(folder, problems),
        };
        let profiles = catalogue.as_ref().zip(files);
        let profiles = profiles
            .and_then(|(catalogue, files)| kept("profiles", Profiles::load(&files, catalogue), problems));
        let registry = self.registry(zone, profiles.as_ref(), problems).unwrap_or_default();
        Some(Reference { catalogue: catalogue?, profiles: profiles?, registry })
    }

    fn registry(
        &self,
        zone: &TimeZone,
        profiles: Option<&Profiles>,
        problems: &Problems,
    ) -> Option<Registry> {
        if !self.inside && self.devices.is_none() {
            return None;
        }
        let (text, origin) = text("devices", self.devices.as_deref(), DEMO_DEVICES, problems)?;
        kept("devices", Registry::load(&text, &origin, zone, profiles), problems)
    }
}

/// The program's own profiles.
fn inside() -> Vec<(String, String)> {
    let file = |(name, text): &(&str, &str)| {
        (format!("the profiles inside the program, {name}.toml"), (*text).to_owned())
    };
    PROFILES.iter().map(file).collect()
}

/// The text of a file with its name.
fn text(key: &str, path: Option<&Path>, inside: &str, problems: &Problems) -> Option<(String, String)> {
    let Some(path) = path else {
        return Some((inside.to_owned(), format!("the {key} inside the program")));
    };
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Some((text, name)),
        Err(error) => {
            problems.add(None, key, format!("{name}: {error}"));
            None
        }
    }
}

fn kept<T>(key: &str, read: Result<T, Vec<String>>, problems: &Problems) -> Option<T> {
    let wrong = match read {
        Ok(read) => return Some(read),
        Err(wrong) => wrong,
    };
    for text in wrong {
        problems.add(None, key, text);
    }
    None
}

/// The folder's `.toml` files in the order of their names; nothing where one cannot be read.
fn toml_files(folder: &Path, problems: &Problems) -> Option<Vec<(String, String)>> {
    let listed = std::fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
    });
    let failed = |path: &Path, error| problems.add(None, "profiles", format!("{}: {error}", path.display()));
    let mut paths = listed.map_err(|error| failed(folder, error)).ok()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    let read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Some((path.display().to_string(), text)),
        Err(error) => {
            failed(&path, error);
            None
        }
    };
    // All are read before one that failed ends it, so that each is told.
    let files: Vec<_> = paths.into_iter().map(read).collect();
    files.into_iter().collect()
}

/// The profiles that a configuration has, each file with its name and text: its folder's, or those inside the program.
pub fn profile_files(config: &super::Config) -> Result<Vec<(String, String)>, String> {
    let Some(folder) = config.path_of("profiles") else {
        let named = |(name, text): &(&str, &str)| (format!("{name}.toml"), (*text).to_owned());
        return Ok(PROFILES.iter().map(named).collect());
    };
    let problems = Problems::default();
    let files = toml_files(&folder, &problems).unwrap_or_default();
    if let Some(problem) = problems.into_vec().first() {
        return Err(problem.to_string());
    }
    let named = |(path, text): (String, String)| {
        let name = Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        name.map(|name| (name, text))
    };
    Ok(files.into_iter().filter_map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_is_inside_the_program_and_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles");
        let problems = Problems::default();
        let mut shipped: Vec<_> =
            toml_files(&folder, &problems).unwrap().into_iter().map(|(_, text)| text).collect();
        let mut own: Vec<_> = inside().into_iter().map(|(_, text)| text).collect();
        shipped.sort();
        own.sort();
        assert_eq!(own, shipped);
        let catalogue = Catalogue::load(CATALOGUE, "catalogue.toml").unwrap();
        assert!(catalogue.all().len() >= 40, "{}", catalogue.all().len());
        let profiles = Profiles::load(&inside(), &catalogue).unwrap();
        assert!(profiles.get("generic").is_some());
    }
}
