//! A small box for one process: a share of a core by a control group, and memory by a limit of the system.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::support::wait::within;

/// Of a core, in hundredths.
pub const CORE: u64 = 50;
pub const MEMORY: u64 = 128 << 20;
const PERIOD: u64 = 100_000;

/// What holds the process; the process must have ended before it is dropped.
#[derive(Debug)]
pub struct Boxed {
    dir: PathBuf,
    pub told: String,
}

impl Boxed {
    /// Puts the process in, or says why this machine does not allow it.
    pub fn put(id: u32) -> Result<Self, String> {
        let told = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let own = |controller: &str| {
            told.lines().find_map(|line| {
                let (names, path) = line.split_once(':')?.1.split_once(':')?;
                names
                    .split(',')
                    .any(|name| name == controller)
                    .then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let name = format!("nadikota-bench-{}", std::process::id());
        let (quota, root) = (PERIOD * CORE / 100, Path::new("/sys/fs/cgroup"));
        // Below our own group, so that no limit around us is left.
        let (dir, settings) = if let Some(path) = own("cpu") {
            let period = [("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", quota.to_string())];
            (root.join("cpu").join(path).join(name), period.to_vec())
        } else {
            let path = own("").ok_or("there is no control group")?;
            (root.join(path).join(name), vec![("cpu.max", format!("{quota} {PERIOD}"))])
        };
        let failed = |what: &Path, error| format!("{}: {error}", what.display());
        fs::create_dir(&dir).map_err(|error| failed(&dir, error))?;
        let mut boxed = Self { dir, told: String::new() };
        for (file, value) in settings.iter().map(|(file, value)| (*file, value.clone())) {
            let file = boxed.dir.join(file);
            // A file that is not there is a controller that was not given to us.
            fs::metadata(&file)
                .and_then(|_| fs::write(&file, value))
                .map_err(|error| failed(&file, error))?;
        }
        let file = boxed.dir.join("cgroup.procs");
        fs::write(&file, id.to_string()).map_err(|error| failed(&file, error))?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or("no such process")?;
        let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
        prlimit(Some(pid), Resource::Data, limit).map_err(|error| format!("RLIMIT_DATA: {error}"))?;
        boxed.told = format!(
            "Processor time by a control group ({}), memory by RLIMIT_DATA: an allocation beyond it ends the process.",
            settings.iter().map(|(file, value)| format!("{file} {value}")).collect::<Vec<_>>().join(", "),
        );
        Ok(boxed)
    }

    /// In how many periods the process was held back, and how many there were; the proof that the limit was in force.
    pub fn throttled(&self) -> [f64; 2] {
        let stat = fs::read_to_string(self.dir.join("cpu.stat")).unwrap_or_default();
        let number = |key: &str| {
            stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse::<f64>().ok())
        };
        ["nr_throttled", "nr_periods"].map(|key| number(key).unwrap_or(0.0))
    }
}

impl Drop for Boxed {
    fn drop(&mut self) {
        // A process that is ending is still in it for a moment.
        let _ = within(std::time::Duration::from_secs(2), || match fs::remove_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => None,
            _ => Some(()),
        });
    }
}
