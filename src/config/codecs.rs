//! Codecs: the scripts of the program and those of a folder, each tried with its vectors before it is taken.

use std::path::{Path, PathBuf};

use crate::catalogue::Profiles;
use crate::codec::vectors::{TOLERANCE, Vectors};
use crate::codec::{Codecs, Limits};
use crate::settings::{Problems, Section};

macro_rules! shipped {
    ($($name:literal,)+) => {
        /// The program's own, with their vectors.
        const SHIPPED: &[(&str, &str, &str)] = &[$((
            concat!($name, ".js"),
            include_str!(concat!("../../config/codecs/", $name, ".js")),
            include_str!(concat!("../../config/codecs/", $name, ".vectors.json")),
        ),)+];
    };
}

shipped! {
    "airwits_pm",
    "bosch_tps110",
    "milesight_em400_mud",
    "milesight_em410_rdl",
    "milesight_em500_co2",
    "milesight_ws302",
    "milesight_wts506",
}

/// Where scripts are read, and what they may use.
#[derive(Debug)]
pub(super) struct Scripts {
    folder: Option<PathBuf>,
    limits: Limits,
}

impl Scripts {
    /// Reads `codecs` and `[codec]` of the root. The configuration inside the binary means the scripts inside it.
    pub(super) fn take(root: &mut Section, inside: bool) -> Self {
        let folder = root.optional::<PathBuf>("codecs").filter(|_| !inside);
        let mut section = root.section("codec");
        let limits = Limits::read(&mut section);
        section.finish();
        Self { folder, limits }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.folder.clone()
    }

    /// Every script that can be used; what cannot is a problem, and so is a profile that names none of them.
    pub(super) fn read(self, profiles: &Profiles, problems: &Problems) -> Codecs {
        let mut codecs = Codecs::new(self.limits);
        for (name, text, _) in SHIPPED {
            // Only those in use are evaluated: each takes a while.
            if profiles.codecs().any(|(_, file)| file == *name)
                && let Err(wrong) = codecs.add(name, text)
            {
                problems.add(None, "codecs", wrong);
            }
        }
        if let Some(folder) = &self.folder {
            for path in scripts(folder, problems) {
                if let Err(wrong) = add(&mut codecs, &path) {
                    problems.add(None, "codecs", format!("{}: {wrong}", path.display()));
                }
            }
        }
        for (profile, file) in profiles.codecs().filter(|(_, file)| !codecs.contains(file)) {
            let text = format!("{profile}: there is no codec \"{file}\" that can be used");
            problems.add(None, "profiles", text);
        }
        codecs
    }
}

fn add(codecs: &mut Codecs, path: &Path) -> Result<(), String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("its name is not valid UTF-8")?;
    let text = read(path)?;
    let vectors = path.with_extension("vectors.json");
    let vectors = vectors
        .is_file()
        .then(|| Vectors::parse(&read(&vectors)?).map_err(|wrong| format!("its vectors: {wrong}")));
    // Tried apart, so that what fails is not there at all.
    codecs.add(name, &text)?;
    let Some(vectors) = vectors.transpose()? else { return Ok(()) };
    let judged = vectors.judge(codecs, name, TOLERANCE);
    let failed: Vec<_> = judged.iter().filter(|verdict| !verdict.differences.is_empty()).collect();
    match failed.first() {
        None => Ok(()),
        Some(first) => {
            let difference = first.differences.first().map_or("", String::as_str);
            Err(format!(
                "fails {} of its {} vectors, the first: {}: {difference}; `nadikota codec test` tells all",
                failed.len(),
                vectors.len(),
                first.name
            ))
        }
    }
}

/// The folder's `.js` files in the order of their names.
fn scripts(folder: &Path, problems: &Problems) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
    });
    let mut paths = listed.unwrap_or_else(|error| {
        problems.add(None, "codecs", format!("{}: {error}", folder.display()));
        Vec::new()
    });
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "js"));
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_codecs_pass_their_vectors() {
        for (name, text, vectors) in SHIPPED {
            let mut codecs = Codecs::new(Limits::default());
            codecs.add(name, text).unwrap_or_else(|wrong| panic!("{wrong}"));
            let vectors = Vectors::parse(vectors).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            assert!(vectors.len() >= 4, "{name}: {} vectors", vectors.len());
            for verdict in vectors.judge(&codecs, name, TOLERANCE) {
                assert!(verdict.differences.is_empty(), "{name}: {verdict:#?}");
            }
        }
    }
}
