//! What was measured, on what: the machine, the programs beside nadikota, and nadikota's own commit.

use std::process::Command;

/// A few lines for the head of the report.
pub fn told() -> String {
    let commit = first_line("git", &["rev-parse", "--short", "HEAD"]);
    let changed = first_line("git", &["status", "--porcelain", "--", "src", "Cargo.lock"]);
    let commit = match (commit, changed) {
        (Some(commit), None) => format!(" (commit {commit})"),
        (Some(commit), Some(_)) => format!(" (commit {commit}, and changes on top)"),
        _ => String::new(),
    };
    let profile =
        if cfg!(debug_assertions) { "a debug build, whose figures mean nothing" } else { "bench profile" };
    format!(
        "nadikota {}{commit}, {profile}, {}. {}, {} and {}, all on one machine over loopback.\n\n\
         The machine: {} cores of {}, {} of memory, Linux {}, data on {}.\n",
        env!("CARGO_PKG_VERSION"),
        first_line("rustc", &["--version"]).unwrap_or_else(|| "an unknown compiler".to_owned()),
        version("Mosquitto", "mosquitto", "/usr/sbin/mosquitto", &["-h"]),
        version("InfluxDB", "influxdb", "influxd", &["version"]),
        version("VictoriaMetrics", "victoria-metrics", "victoria-metrics", &["-version"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "a processor without a name".to_owned()),
        memory(),
        read("/proc/sys/kernel/osrelease").trim(),
        file_system(),
    )
}

/// As the program tells it, or else as its package does: Debian's VictoriaMetrics tells none.
fn version(name: &str, package: &str, program: &str, arguments: &[&str]) -> String {
    let number = |line: String| {
        let starts =
            |word: &&str| word.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit());
        line.split_whitespace().find(starts).map(|word| word.trim_start_matches('v').to_owned())
    };
    let own = first_line(program, arguments).and_then(number);
    let told =
        own.or_else(|| first_line("dpkg-query", &["-W", "-f", "${Version}", package]).and_then(number));
    format!("{name} {}", told.as_deref().unwrap_or("of an unknown version"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The first line that a program says, on stdout or stderr; some end with a failure after telling their version.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    let line = told.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.to_owned()).filter(|line| !line.starts_with("fatal:"))
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'))?;
    Some(line.1.trim().to_owned())
}

fn memory() -> String {
    let kib =
        field("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or_else(|| "an unknown amount".to_owned(), |kib| format!("{:.1} GiB", kib / 1_048_576.0))
}

/// Of the directory in which data directories are made.
fn file_system() -> String {
    let dir = std::env::temp_dir();
    let dir = dir.canonicalize().unwrap_or(dir);
    let mounts = read("/proc/mounts");
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holds = mounts.filter(|(place, _)| dir.starts_with(place));
    holds.max_by_key(|(place, _)| place.len()).map_or("an unknown file system", |(_, kind)| kind).to_owned()
}
