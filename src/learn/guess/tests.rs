//! Guesses are what a person would guess who sees the same values.

use std::borrow::Cow;

use super::*;
use crate::reading::{Reading, ReadingValue};

fn catalogue() -> Catalogue {
    Catalogue::load(include_str!("../../../config/catalogue.toml"), "catalogue.toml").unwrap()
}

fn seen<'v>(values: impl IntoIterator<Item = ReadingValue<'v>>) -> Seen {
    let mut seen = Seen::default();
    for value in values {
        seen.add(&Reading { name: Cow::Borrowed("x"), value, unit: None, channel: None });
    }
    seen
}

fn of_numbers(name: &str, numbers: &[f64]) -> Guess {
    guess(name, &seen(numbers.iter().map(|number| ReadingValue::Number(*number))), None, &catalogue())
}

fn short(guess: &Guess) -> String {
    match guess {
        Guess::Quantity { quantity, unit, scale, sentinels, confidence, .. } => {
            let scale = scale.map(|scale| format!(" x{scale}")).unwrap_or_default();
            let unit = unit.unwrap_or("-");
            format!("{quantity} {unit}{scale} {sentinels:?} {}", confidence.word())
        }
        Guess::Ignored { .. } => "ignored".to_owned(),
        Guess::Unknown { why } => format!("unknown: {why}"),
    }
}

#[test]
fn units_follow_from_names_and_from_what_is_usual() {
    for (name, numbers, expected) in [
        ("level_cm", &[124.0, 131.0][..], "water_level_m cm [] high"),
        ("tinggi_air", &[124.0, 131.0], "water_level_m cm [] low"),
        ("tma", &[1240.0, 1310.0], "water_level_m mm [] medium"),
        ("tma", &[1.24, 1.31], "water_level_m - [] medium"),
        ("tekanan", &[100_834.0, 100_890.0], "air_pressure_hpa Pa [] medium"),
        ("pressure", &[1008.3], "air_pressure_hpa - [] medium"),
        ("suhu", &[27.5, 28.0], "air_temperature_c - [] medium"),
        ("suhu", &[275.0, 280.0], "air_temperature_c - x0.1 [] low"),
        ("temp", &[81.5, 82.0], "air_temperature_c [degF] [] medium"),
        ("kelembaban", &[0.78, 0.81], "relative_humidity_pct / [] medium"),
        ("bat", &[3610.0], "battery_v mV [] medium"),
        ("bat", &[3.61], "battery_v - [] medium"),
        ("bat", &[87.0, 86.0], "battery_level_pct - [] medium"),
        ("baterai_persen", &[9.0], "battery_level_pct - [] high"),
        ("kecepatan_angin_kmh", &[12.0], "wind_speed_ms km/h [] high"),
    ] {
        assert_eq!(short(&of_numbers(name, numbers)), expected, "{name} {numbers:?}");
    }
}

#[test]
fn values_that_mean_nothing_are_found_and_do_not_decide_the_unit() {
    for (name, numbers, expected) in [
        ("suhu", &[27.5, -127.0, 28.0][..], "air_temperature_c - [-127.0] medium"),
        ("level_cm", &[124.0, -1.0, 131.0], "water_level_m cm [-1.0] high"),
        ("suhu_air", &[27.0, 85.0, 27.5], "water_temperature_c - [85.0] medium"),
        ("rh", &[78.0, 65_535.0], "relative_humidity_pct - [65535.0] medium"),
    ] {
        assert_eq!(short(&of_numbers(name, numbers)), expected, "{name} {numbers:?}");
    }
}

#[test]
fn what_cannot_be_is_not_guessed() {
    for (name, numbers) in [("counter", &[1.0, 2.0][..]), ("humidity", &[5400.0, 5500.0]), ("rssi", &[900.0])]
    {
        let told = short(&of_numbers(name, numbers));
        assert!(told.starts_with("unknown") || told.contains("low"), "{name}: {told}");
    }
}

#[test]
fn a_unit_that_no_quantity_of_that_name_has_leaves_the_name_to_a_person() {
    let told = |unit: &'static str| {
        let (mut seen, unit) = (Seen::default(), Some(Cow::Borrowed(unit)));
        seen.add(&Reading { name: "noise".into(), value: ReadingValue::Number(55.0), unit, channel: None });
        short(&guess("noise", &seen, None, &catalogue()))
    };
    assert_eq!(told("dBspl"), "laeq_dba - [] high");
    assert_eq!(
        told("phon"),
        "unknown: it sounds like laeq_dba, but tells the unit \"phon\", which does not convert to dB"
    );
    assert_eq!(
        told("Cel"),
        "unknown: it sounds like laeq_dba, but tells the unit \"Cel\", which does not convert to dB"
    );
}

#[test]
fn texts_are_states_numbers_or_ignored() {
    let texts = |name: &str, texts: &[&'static str]| {
        let values = texts.iter().map(|text| ReadingValue::Text(Cow::Borrowed(*text)));
        guess(name, &seen(values), None, &catalogue())
    };
    let Guess::Quantity { quantity, words, .. } = texts("parkir", &["kosong", "terisi"]) else { panic!() };
    assert_eq!(quantity, "occupied_state");
    assert_eq!(words, [("kosong".to_owned(), 0.0), ("terisi".to_owned(), 1.0)]);
    assert_eq!(short(&texts("fw", &["1.2.3"])), "ignored");
    assert_eq!(short(&texts("parkir", &["kosong", "rusak"])), "ignored");
    assert_eq!(short(&texts("suhu", &["27,5 °C", "28,0 °C"])), "air_temperature_c - [] high");
}
