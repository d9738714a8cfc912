//! Tests of the configuration as operators write it.

mod documented;

use std::path::PathBuf;

use super::*;

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The shipped file as others would put it on disk, so that its own folder is where paths lead.
fn shipped_file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/config/nadikota.toml"))
}

fn mistakes(result: Result<Config, Vec<Problem>>) -> Vec<String> {
    result.unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_file_has_no_mistakes_on_disk_and_in_the_binary() {
    for result in [load(&[shipped_file()], []), shipped([])] {
        if let Err(problems) = result {
            panic!("{problems:#?}");
        }
    }
}

/// The shipped file with every commented line in force, in a folder like its own.
fn shipped_all(folder: &tempfile::TempDir) -> PathBuf {
    // A line such as `#listen = "127.0.0.1:8080"` holds a default; prose begins with "# ".
    let text = std::fs::read_to_string(shipped_file()).unwrap();
    let all: Vec<_> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') => rest,
            _ => line,
        })
        .collect();
    for name in ["catalogue.toml", "profiles", "devices.csv"] {
        let shipped = shipped_file().with_file_name(name);
        std::os::unix::fs::symlink(shipped, folder.path().join(name)).unwrap();
    }
    write(folder, "all.toml", &all.join("\n"))
}

#[test]
fn every_key_of_the_shipped_file_is_known_also_those_that_are_commented_out() {
    let folder = tempfile::tempdir().unwrap();
    let problems = load(&[shipped_all(&folder)], []).err().unwrap_or_default();
    let unknown: Vec<_> = problems.iter().filter(|problem| problem.text.contains("unknown key")).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn the_environment_wins_over_files_with_its_text_read_as_the_keys_type() {
    let variables = environment(&[
        ("NADIKOTA__HTTP__LISTEN", "127.0.0.1:0"),
        ("NADIKOTA__STOP_WITHIN", "5s"),
        ("NADIKOTA__HTTP__TOKEN", "007"),
        ("OTHER__HTTP__LISTEN", "nonsense"),
    ]);
    let config = load(&[shipped_file()], variables).unwrap();
    assert_eq!(config.http.listen.port(), 0);
    assert_eq!(config.stop_within, Duration::from_secs(5));
    assert_eq!(config.http.token.unwrap().reveal(), "007");
}

#[test]
fn five_mistakes_are_told_at_once_each_with_its_file_or_variable_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder,
        "wrong.toml",
        "stop_within = \"soon\"\n[htpp]\nlisten = \"x\"\n[http]\nlisten = \"nowhere\"\ntoken_file = \"none\"\n",
    );
    let missing = folder.path().join("missing.toml");
    let variables = environment(&[("NADIKOTA__HTTP__LISTN", "127.0.0.1:1")]);
    let found = mistakes(load(&[shipped_file(), path, missing], variables));
    let expect = |parts: &[&str]| {
        assert!(
            found.iter().any(|line| parts.iter().all(|part| line.contains(part))),
            "{parts:?} in {found:#?}"
        );
    };
    expect(&["wrong.toml", "stop_within", "soon"]);
    expect(&["wrong.toml", "htpp", "did you mean \"http\""]);
    expect(&["wrong.toml", "http.listen"]);
    expect(&["wrong.toml", "http.token_file"]);
    expect(&["missing.toml", "cannot be read"]);
    expect(&["NADIKOTA__HTTP__LISTN", "did you mean \"listen\""]);
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn a_file_that_is_not_toml_does_not_hide_the_mistakes_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let broken = write(&folder, "broken.toml", "[http\n");
    let wrong = write(&folder, "wrong.toml", "[http]\nlisten = 7\n");
    let found = mistakes(load(&[shipped_file(), broken, wrong], []));
    assert!(
        found.iter().any(|line| line.contains("broken.toml") && line.contains("not valid TOML")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|line| line.contains("wrong.toml") && line.contains("http.listen")),
        "{found:?}"
    );
}

#[test]
fn a_secret_is_read_from_the_file_beside_the_configuration_and_never_from_two_places() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "secret", "s3cret\n");
    let path = write(&folder, "own.toml", "[http]\ntoken_file = \"secret\"\n");
    let files = [shipped_file(), path];
    assert_eq!(load(&files, []).unwrap().http.token.unwrap().reveal(), "s3cret");
    let found = mistakes(load(&files, environment(&[("NADIKOTA__HTTP__TOKEN", "other")])));
    assert!(found.len() == 1 && found[0].contains("keep one of the two"), "{found:?}");
    assert!(!found[0].contains("other") && !found[0].contains("s3cret"), "{found:?}");
}

#[test]
fn the_time_zone_is_required_and_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let none = write(&folder, "none.toml", "");
    assert_eq!(mistakes(load(std::slice::from_ref(&none), [])), ["time_zone: is required"]);
    let found = mistakes(load(&[none], environment(&[("NADIKOTA__TIME_ZONE", "Asia/Pasuruan")])));
    let told =
        "NADIKOTA__TIME_ZONE: time_zone: \"Asia/Pasuruan\" is not a time zone; write it as Asia/Jakarta";
    assert_eq!(found, [told]);
}

#[test]
fn a_list_entry_that_is_not_there_is_a_mistake_and_not_a_huge_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "list.toml", "[[x]]\na = 1\n");
    let found = mistakes(load(&[shipped_file(), path], environment(&[("NADIKOTA__X__99999999999__A", "1")])));
    assert!(found.iter().any(|line| line.contains("none of the list's 1 entries")), "{found:?}");
}

#[test]
fn one_mistake_in_profile_or_catalogue_is_told_alone_without_what_follows_from_it() {
    let routes = "[[routes]]\ntopic = \"a/{device}\"\nformat = \"json\"\nprofile = \"meter\"\n";
    let catalogue = "[quantities]\nwater_level_m = {}\nbattery_v = {}\n";
    let profile =
        "[profiles.generic.names]\nx = \"battery_v\"\n[profiles.meter.names]\nl = \"water_level_m\"\n";
    let devices = "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n\
                   a,c,d,s,,,meter,,,,\nb,c,d,s,,,meter,,,,\n";
    let check = |catalogue: Option<&str>, profile: Option<&str>, devices: &str, expected: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = catalogue {
            write(&folder, "catalogue.toml", text);
        }
        if let Some(text) = profile {
            std::fs::create_dir(folder.path().join("profiles")).unwrap();
            write(&folder, "profiles/city.toml", text);
        }
        write(&folder, "devices.csv", devices);
        let text = format!(
            "time_zone = \"UTC\"\ncatalogue = \"catalogue.toml\"\nprofiles = \"profiles\"\n\
             devices = \"devices.csv\"\n{routes}"
        );
        let loaded = load(&[write(&folder, "nadikota.toml", &text)], []);
        let found = loaded.err().unwrap_or_default();
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{expected} in {found}");
        }
    };
    check(Some(catalogue), Some(profile), devices, &[]);
    check(Some(catalogue), Some(&profile.replace("battery_v", "heat")), devices, &["no quantity \"heat\""]);
    check(Some(catalogue), Some("[profiles"), devices, &["city.toml"]);
    check(Some(catalogue), None, devices, &["profiles: No such file"]);
    check(Some("[quantities]\nheat = {}\n"), Some(profile), devices, &["heat: must be lower case"]);
    check(None, Some(profile), devices, &["catalogue.toml: No such file"]);
    // What has nothing to do with it is told beside it, and what is not there at all is the cause itself.
    let two = devices.replace("a,c,d,s,,", "a,c,d,s,1,");
    check(Some(catalogue), Some("[profiles"), &two, &["city.toml", "latitude and longitude"]);
    let none = profile.replace("meter", "tank");
    let expected = ["no profile \"meter\"", "no profile \"meter\"", "the profile \"meter\""];
    check(Some(catalogue), Some(&none), devices, &expected);
}

#[test]
fn a_route_that_recognises_takes_no_setting_of_one_format() {
    let folder = tempfile::tempdir().unwrap();
    let route = "time_zone = \"Asia/Jakarta\"\n[[routes]]\ntopic = \"a/{device}\"\nformat = \"auto\"\nmeasurement = \"weather\"\n";
    assert!(load(&[write(&folder, "right.toml", route)], []).is_ok());
    let wrong = format!(
        "{route}time = \"t\"\ncolumns = [\"a\"]\ntiem = \"t\"\nkits = [{{ device = \"d\", token = \"s3cret\" }}]\n"
    );
    let told = mistakes(load(&[write(&folder, "wrong.toml", &wrong)], []));
    assert_eq!(told.len(), 4, "{told:#?}");
    for key in ["time", "columns", "kits"] {
        let of_format =
            |line: &&String| line.contains(&format!("routes[0].{key}: is a setting of one format"));
        assert_eq!(told.iter().filter(of_format).count(), 1, "{key}: {told:#?}");
    }
    assert!(!told.concat().contains("s3cret"), "{told:#?}");
}

#[test]
fn a_misspelt_format_is_told_with_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    for (written, near) in [
        ("tasmotta", "\"; did you mean \"tasmota\"?"),
        ("chirpstack-protobuf", "did you mean \"chirpstack_protobuf\"?"),
        ("xml", "\"auto\""),
    ] {
        let text = format!(
            "time_zone = \"Asia/Jakarta\"\n[[routes]]\ntopic = \"a/{{device}}\"\nformat = \"{written}\"\n"
        );
        let told = mistakes(load(&[write(&folder, "wrong.toml", &text)], []));
        assert!(
            told.len() == 1 && told[0].ends_with(near) && told[0].contains("must be one of \"json\""),
            "{told:?}"
        );
    }
}
