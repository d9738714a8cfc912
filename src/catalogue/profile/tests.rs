//! Tests of profiles: what is mapped, inherited and refused.

use super::*;
use crate::catalogue::Catalogue;
use crate::outcome::Reason;
use crate::reading::ReadingValue;

fn catalogue() -> Catalogue {
    let text = "[quantities]\nwater_level_m = {}\nparking_occupied_state = {}\nair_temperature_c = {}\n";
    Catalogue::load(text, "c").unwrap()
}

fn mapping(text: &str) -> Mapping {
    let file = format!("[profiles.p.names]\nx = {text}\n");
    let profiles = Profiles::load(&[("p.toml".to_owned(), file)], &catalogue()).unwrap();
    profiles.get("p").unwrap().names["x"].clone()
}

#[test]
fn units_scales_sentinels_and_words_are_applied() {
    let level = mapping("{ quantity = \"water_level_m\", unit = \"cm\", sentinels = [-1] }");
    assert_eq!(level.apply(&ReadingValue::Number(123.0), None), Ok(Some(1.23)));
    assert_eq!(level.apply(&ReadingValue::Number(123.0), Some("mm")), Ok(Some(0.123)));
    let reason = |value: ReadingValue<'_>, unit| level.apply(&value, unit).unwrap_err().reason;
    assert_eq!(level.apply(&ReadingValue::Number(-1.0), None), Ok(None));
    assert_eq!(level.apply(&ReadingValue::Null, None), Ok(None));
    assert_eq!(reason(ReadingValue::Number(1.0), Some("Cel")), Reason::UnitConflict);
    assert_eq!(reason(ReadingValue::Text("high".into()), None), Reason::WrongType);
    let tenths =
        mapping("{ quantity = \"air_temperature_c\", unit = \"K\", scale = 0.1, sentinels = [65535] }");
    assert_eq!(tenths.apply(&ReadingValue::Number(3003.0), None), Ok(Some(27.15)));
    assert_eq!(tenths.apply(&ReadingValue::Number(3.0), Some("Cel")), Ok(Some(0.3)));
    let words = "{ quantity = \"parking_occupied_state\", words = { free = 0, occupied = 1 } }";
    assert_eq!(mapping(words).apply(&ReadingValue::Text("occupied".into()), None), Ok(Some(1.0)));
    assert_eq!(
        mapping("\"parking_occupied_state\"").apply(&ReadingValue::Boolean(true), None),
        Ok(Some(1.0))
    );
}

#[test]
fn ports_are_one_or_several_and_inherited() {
    let file = "[profiles.a]\nport = 85\n[profiles.b]\nextends = \"a\"\n[profiles.c]\nextends = \"a\"\nport = [1, 2]\n\
                [profiles.d]\n";
    let profiles = Profiles::load(&[("p.toml".to_owned(), file.to_owned())], &catalogue()).unwrap();
    let ports = ["a", "b", "c", "d"].map(|name| profiles.get(name).unwrap().ports.clone());
    assert_eq!(ports, [vec![85], vec![85], vec![1, 2], vec![]]);
    for wrong in ["[]", "70000", "\"85\""] {
        let file = format!("[profiles.a]\nport = {wrong}\n");
        let told = Profiles::load(&[("p.toml".to_owned(), file)], &catalogue()).unwrap_err();
        assert!(told[0].contains("port"), "{told:?}");
    }
}

#[test]
fn a_direction_told_by_half_circles_is_stored_as_a_whole_one_where_the_profile_says_so() {
    let catalogue = "[quantities]\nwind_from_direction_deg = { impossible = [0, 360] }\nwater_level_m = {}\n";
    let catalogue = Catalogue::load(catalogue, "c").unwrap();
    let load = |quantity: &str| {
        let file = format!(
            "[profiles.p.names]\nx = {{ quantity = \"{quantity}\", wrap = true, sentinels = [-1] }}\n\
             y = \"wind_from_direction_deg\"\n"
        );
        Profiles::load(&[("p.toml".to_owned(), file)], &catalogue)
    };
    let profiles = load("wind_from_direction_deg").unwrap();
    let names = &profiles.get("p").unwrap().names;
    for (told, wrapped, plain) in [
        (-45.0, Some(315.0), Some(-45.0)),
        (-0.1, Some(359.9), Some(-0.1)),
        (-180.0, Some(180.0), Some(-180.0)),
        (0.0, Some(0.0), Some(0.0)),
        (360.0, Some(360.0), Some(360.0)),
        (-999.0, Some(-999.0), Some(-999.0)),
        (-1.0, None, Some(-1.0)),
    ] {
        assert_eq!(names["x"].apply(&ReadingValue::Number(told), None), Ok(wrapped), "{told}");
        assert_eq!(names["y"].apply(&ReadingValue::Number(told), None), Ok(plain), "{told}");
    }
    let wrong = load("water_level_m").unwrap_err();
    assert_eq!(wrong, ["p.toml: p: x: wrap: water_level_m is no direction from 0 to 360"]);
}

#[test]
fn all_mistakes_of_profiles_are_told() {
    let file = "[profiles.p.names]\na = \"heat\"\nb = { quantity = \"water_level_m\", unit = \"Cel\" }\n\
                c = { quantity = \"water_level_m\", unit = \"ell\" }\n\
                d = { quantity = \"water_level_m\", unt = \"cm\" }\ne = 7\n\
                f = { quantity = \"water_level_m\", words = { a = nan } }\n";
    let wrong = Profiles::load(&[("p.toml".to_owned(), file.to_owned())], &catalogue()).unwrap_err();
    assert_eq!(wrong.len(), 6, "{wrong:?}");
    assert!(wrong[3].contains("unt") && wrong[3].contains("p: d:"), "{wrong:?}");
}

#[test]
fn a_running_total_is_no_amount() {
    let catalogue = "[quantities]\nrain_mm = {}\nrain_total_mm = { counter = true }\nair_temperature_c = {}\n\
                     visit_total_count = { counter = true }\nco2_ppm = {}\n";
    let catalogue = Catalogue::load(catalogue, "c").unwrap();
    let load = |quantity: &str| {
        let file = format!(
            "[profiles.p.names]\nx = {{ quantity = \"{quantity}\", unit = \"mm\", counter = true }}\n"
        );
        Profiles::load(&[("p.toml".to_owned(), file)], &catalogue)
    };
    assert!(load("rain_total_mm").unwrap().get("p").unwrap().names["x"].quantity.counter);
    let wrong = load("rain_mm").unwrap_err();
    assert_eq!(
        wrong,
        ["p.toml: p: x: rain_mm is no running total; map it to one that is, such as rain_total_mm"]
    );
    let file = "[profiles.p.names]\nx = { quantity = \"air_temperature_c\", counter = true }\n";
    let wrong = Profiles::load(&[("p.toml".to_owned(), file.to_owned())], &catalogue).unwrap_err();
    assert!(wrong[0].contains("add one of its unit to the catalogue"), "{wrong:?}");
}

fn load(text: &str) -> Result<Profiles, Vec<String>> {
    Profiles::load(&[("p.toml".to_owned(), text.to_owned())], &catalogue())
}

#[test]
fn text_is_a_number_with_its_unit_where_the_profile_says_so() {
    let level = |head: &str| {
        let file = format!(
            "[profiles.p]\n{head}\n[profiles.p.names]\nx = {{ quantity = \"water_level_m\", unit = \"cm\", \
             sentinels = [-1, \"err\"], words = {{ full = 3 }} }}\n"
        );
        load(&file).unwrap().get("p").unwrap().names["x"].clone()
    };
    let text = |text: &'static str| ReadingValue::Text(text.into());
    let point = level("number_text = true");
    assert_eq!(point.apply(&text("2000 mm"), None), Ok(Some(2.0)));
    assert_eq!(point.apply(&text("50"), None), Ok(Some(0.5)));
    assert_eq!(point.apply(&text("50"), Some("mm")), Ok(Some(0.05)));
    assert_eq!(point.apply(&text("full"), None), Ok(Some(3.0)));
    assert_eq!(point.apply(&text("err"), None), Ok(None), "a sentinel that is text");
    assert_eq!(point.apply(&text("-1"), None), Ok(None), "a sentinel that came as text");
    let reason = |mapping: &Mapping, value| mapping.apply(&value, None).unwrap_err().reason;
    assert_eq!(reason(&point, text("3 Cel")), Reason::UnitConflict);
    assert_eq!(reason(&point, text("23,5")), Reason::UnitConflict, "no comma was promised");
    assert_eq!(reason(&point, text("high")), Reason::WrongType);
    assert_eq!(level("number_text = true\ndecimal_comma = true").apply(&text("23,5"), None), Ok(Some(0.235)));
    assert_eq!(reason(&level(""), text("50")), Reason::WrongType);
}

#[test]
fn a_profile_has_what_the_one_it_extends_has_unless_it_says_otherwise() {
    let profiles = load(
        "[profiles.child]\nextends = \"parent\"\nmodels = [\"WL-2\"]\nzone = \"Asia/Makassar\"\n\
         [profiles.child.names]\nb = { quantity = \"water_level_m\", unit = \"mm\" }\n\
         [profiles.parent]\nmeasurement = \"water_level\"\nnumber_text = true\nexpected_interval = \"10m\"\n\
         [profiles.parent.names]\na = \"air_temperature_c\"\nb = { quantity = \"water_level_m\", unit = \"cm\" }\n",
    )
    .unwrap();
    let child = profiles.of_model("WL-2").unwrap();
    assert_eq!((&*child.name, child.measurement.as_deref()), ("child", Some("water_level")));
    assert_eq!(child.expected_interval, Some(Duration::from_secs(600)));
    assert!(child.number_text && child.zone.is_some());
    assert_eq!(child.names["b"].apply(&ReadingValue::Text("5".into()), None), Ok(Some(0.005)));
    assert!(child.names.contains_key("a") && profiles.of_model("WL-3").is_none());
    assert_eq!(profiles.get("parent").unwrap().zone, None);
}

#[test]
fn a_star_stands_for_a_part_of_a_name_and_can_be_the_channel() {
    let profiles = load(
        "[profiles.p.names]\n\"*.t\" = { quantity = \"air_temperature_c\", channel = \"*\" }\n\
         \"x.t\" = \"air_temperature_c\"\n\"level.*\" = \"water_level_m\"\n",
    )
    .unwrap();
    let profile = profiles.get("p").unwrap();
    let told = |name| profile.mapping(name).map(|(mapping, channel)| (&*mapping.quantity.name, channel));
    assert_eq!(told("DS-1.t"), Some(("air_temperature_c", Some("DS-1"))));
    assert_eq!(told("x.t"), Some(("air_temperature_c", None)), "the whole name comes first");
    assert_eq!(told("level.0"), Some(("water_level_m", None)));
    assert_eq!(told(".t"), Some(("air_temperature_c", None)));
    assert_eq!(told("t"), None);
    assert_eq!(profile.mappings().count(), 3);
}

#[test]
fn what_profiles_say_of_each_other_must_be_true() {
    let wrong = load(
        "[profiles.a]\nextends = \"b\"\nmodels = [\"M\"]\n[profiles.b]\nextends = \"a\"\n\
         [profiles.c]\nextends = \"nobody\"\n[profiles.d]\nzone = \"Mars\"\nmodels = [\"M\"]\n\
         [profiles.e]\nmodels = [\"M\"]\n[profiles.e.names]\n\"*.*\" = \"water_level_m\"\n\
         q = { quantity = \"water_level_m\", channel = \"*\" }\n",
    )
    .unwrap_err();
    for said in [
        "p.toml: a: extends goes on",
        "p.toml: b: extends goes on",
        "c: extends \"nobody\", which does not exist",
        "d: there is no time zone \"Mars\"",
        "e: the model \"M\" is one of the profile d too",
        "e: *.*: only one",
        "e: q: channel \"*\" needs",
    ] {
        assert!(wrong.iter().any(|text| text.contains(said)), "{said}: {wrong:?}");
    }
    assert_eq!(wrong.len(), 7, "{wrong:?}");
}
