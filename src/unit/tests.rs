//! Every conversion against factors stated a second time, as physics books have them.

use std::collections::HashSet;

use super::*;

/// Name, factor and offset to the first unit of its group: `first = value * factor + offset`.
const GROUPS: &[&[(&str, f64, f64)]] = &[
    &[("Cel", 1.0, 0.0), ("K", 1.0, -273.15), ("[degF]", 1.0 / 1.8, -32.0 / 1.8)],
    &[
        ("/", 1.0, 0.0),
        ("count", 1.0, 0.0),
        ("%", 1e-2, 0.0),
        ("/1000", 1e-3, 0.0),
        ("ppm", 1e-6, 0.0),
        ("ppb", 1e-9, 0.0),
    ],
    &[
        ("Pa", 1.0, 0.0),
        ("hPa", 1e2, 0.0),
        ("kPa", 1e3, 0.0),
        ("bar", 1e5, 0.0),
        ("mmHg", 133.322_387_415, 0.0),
        ("Torr", 101_325.0 / 760.0, 0.0),
    ],
    &[
        ("kg/m3", 1.0, 0.0),
        ("g/m3", 1e-3, 0.0),
        ("mg/m3", 1e-6, 0.0),
        ("ug/m3", 1e-9, 0.0),
        ("mg/l", 1e-3, 0.0),
        ("ug/l", 1e-6, 0.0),
    ],
    &[
        ("m/s", 1.0, 0.0),
        ("km/h", 1.0 / 3.6, 0.0),
        ("[kn_i]", 1852.0 / 3600.0, 0.0),
        ("[mi_i]/h", 0.447_04, 0.0),
        ("mm/h", 1.0 / 3.6e6, 0.0),
        ("m/h", 1.0 / 3600.0, 0.0),
        ("cm/s", 0.01, 0.0),
    ],
    &[("rad", 1.0, 0.0), ("deg", std::f64::consts::PI / 180.0, 0.0)],
    &[("lx", 1.0, 0.0), ("klx", 1e3, 0.0)],
    &[("dB", 1.0, 0.0), ("Bspl", 10.0, 0.0), ("dB{snr}", 1.0, 0.0)],
    &[
        ("m", 1.0, 0.0),
        ("mm", 1e-3, 0.0),
        ("cm", 1e-2, 0.0),
        ("km", 1e3, 0.0),
        ("[in_i]", 0.0254, 0.0),
        ("[ft_i]", 0.3048, 0.0),
    ],
    &[("m2", 1.0, 0.0), ("ha", 1e4, 0.0)],
    &[("m3", 1.0, 0.0), ("l", 1e-3, 0.0), ("ml", 1e-6, 0.0)],
    &[
        ("l/s", 1.0, 0.0),
        ("m3/s", 1e3, 0.0),
        ("m3/h", 1.0 / 3.6, 0.0),
        ("l/min", 1.0 / 60.0, 0.0),
        ("l/h", 1.0 / 3600.0, 0.0),
    ],
    &[("V", 1.0, 0.0), ("mV", 1e-3, 0.0), ("kV", 1e3, 0.0)],
    &[("A", 1.0, 0.0), ("mA", 1e-3, 0.0)],
    &[("W", 1.0, 0.0), ("kW", 1e3, 0.0), ("mW", 1e-3, 0.0), ("MW", 1e6, 0.0)],
    &[("VA", 1.0, 0.0), ("kVA", 1e3, 0.0), ("MVA", 1e6, 0.0)],
    &[("var", 1.0, 0.0), ("kvar", 1e3, 0.0)],
    &[
        ("kWh", 1.0, 0.0),
        ("Wh", 1e-3, 0.0),
        ("MWh", 1e3, 0.0),
        ("J", 1.0 / 3.6e6, 0.0),
        ("mJ", 1.0 / 3.6e9, 0.0),
        ("kJ", 1.0 / 3600.0, 0.0),
        ("MJ", 1.0 / 3.6, 0.0),
    ],
    &[("kVAh", 1.0, 0.0), ("VAs", 1.0 / 3.6e6, 0.0)],
    &[("kvarh", 1.0, 0.0), ("varh", 1e-3, 0.0), ("vars", 1.0 / 3.6e6, 0.0)],
    &[("Ah", 1.0, 0.0), ("mAh", 1e-3, 0.0), ("As", 1.0 / 3600.0, 0.0)],
    &[("J/m", 1.0, 0.0), ("Wh/km", 3.6, 0.0)],
    &[("Ohm", 1.0, 0.0), ("kOhm", 1e3, 0.0)],
    &[("dBW", 1.0, 0.0), ("dBm", 1.0, -30.0)],
    &[("Hz", 1.0, 0.0), ("kHz", 1e3, 0.0), ("MHz", 1e6, 0.0), ("1/min", 1.0 / 60.0, 0.0)],
    &[
        ("s", 1.0, 0.0),
        ("ms", 1e-3, 0.0),
        ("us", 1e-6, 0.0),
        ("min", 60.0, 0.0),
        ("h", 3600.0, 0.0),
        ("d", 86_400.0, 0.0),
    ],
    &[("S/m", 1.0, 0.0), ("mS/cm", 0.1, 0.0), ("uS/cm", 1e-4, 0.0)],
    &[("kg", 1.0, 0.0), ("g", 1e-3, 0.0), ("mg", 1e-6, 0.0), ("t", 1e3, 0.0)],
    &[("uSv/h", 1.0, 0.0), ("nSv/h", 1e-3, 0.0)],
    &[
        ("B", 1.0, 0.0),
        ("bit", 0.125, 0.0),
        ("KiB", 1024.0, 0.0),
        ("kB", 1e3, 0.0),
        ("MB", 1e6, 0.0),
        ("GB", 1e9, 0.0),
    ],
    &[("bit/s", 1.0, 0.0), ("kbit/s", 1e3, 0.0), ("Mbit/s", 1e6, 0.0), ("B/s", 8.0, 0.0), ("MB/s", 8e6, 0.0)],
];

/// Units that convert into no other.
const ALONE: &[&str] = &[
    "W/m2", "m/s2", "S", "farad", "T", "Wb", "H", "pH", "NTU", "Bq", "Gy", "Sv", "lat", "lon", "cd", "cd/m2",
    "lm", "N", "mol", "sr", "kat",
];

fn unit(name: &str) -> Unit {
    let unit = Unit::parse(name).unwrap_or_else(|| panic!("no unit {name}"));
    assert_eq!(unit.name(), name, "the tables name each unit as the other does");
    unit
}

#[test]
fn every_pair_of_units_converts_as_it_should_or_not_at_all() {
    let mut pairs = 0;
    let mut names: Vec<&str> = ALONE.to_vec();
    for group in GROUPS {
        names.extend(group.iter().map(|(name, ..)| *name));
        for (from, factor, offset) in *group {
            for (to, to_factor, to_offset) in *group {
                for value in [-40.0, 0.0, 0.71, 1.0, 12.345, 98.6, 1013.25, 7.5e5] {
                    let expected = (value * factor + offset - to_offset) / to_factor;
                    let got = unit(from).convert(value, unit(to)).unwrap();
                    // Where an offset takes most of a number away, what is left is only as good as what was there.
                    let size =
                        expected.abs().max((value * factor / to_factor).abs()).max(offset.abs() / to_factor);
                    assert!(
                        (got - expected).abs() <= 1e-12 * size,
                        "{value} {from} is {got} {to}, not {expected}"
                    );
                    let back = unit(to).convert(got, unit(from)).unwrap();
                    let size = value.abs().max(offset.abs() / factor).max(to_offset.abs() / factor);
                    assert!(
                        (back - value).abs() <= 1e-12 * size,
                        "{value} {from} comes back as {back} by {to}"
                    );
                }
                pairs += 1;
            }
        }
    }
    assert!(pairs > 500, "{pairs}");
    let known: HashSet<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(known, names.iter().copied().collect(), "each unit of the table stands here");
    assert_eq!(known.len(), names.len(), "once");
    let group_of =
        |name: &str| GROUPS.iter().position(|group| group.iter().any(|(known, ..)| *known == name));
    for from in &names {
        for to in &names {
            let same = from == to || (group_of(from).is_some() && group_of(from) == group_of(to));
            assert_eq!(unit(from).convert(1.0, unit(to)).is_some(), same, "{from} {to}");
        }
    }
}

#[test]
fn no_conversion_adds_a_digit_that_a_person_would_see() {
    for (told, from, to, expected) in [
        ("100830", "Pa", "hPa", "1008.3"),
        ("1008.3", "hPa", "Pa", "100830"),
        ("1.1", "cm", "m", "0.011"),
        ("0.29", "m", "cm", "29"),
        ("0.57", "/", "%", "57"),
        ("57", "%RH", "/", "0.57"),
        ("0.07", "m", "mm", "70"),
        ("300.15", "K", "Cel", "27"),
        ("27.2", "Cel", "K", "300.35"),
        ("86", "°F", "Cel", "30"),
        ("98.6", "°F", "Cel", "37"),
        ("36.6", "Cel", "°F", "97.88"),
        ("18", "km/h", "m/s", "5"),
        ("3.3", "m/s", "km/h", "11.88"),
        ("6.23", "Bspl", "dB", "62.3"),
        ("1234.5", "Wh", "kWh", "1.2345"),
        ("2.3", "kWh", "J", "8280000"),
        ("8280000", "W.s", "kWh", "2.3"),
        ("0.035", "mg/m3", "ug/m3", "35"),
        ("3.5e-8", "kg/m3", "ug/m3", "35"),
        ("0.00041", "/", "ppm", "410"),
        ("410.5", "ppm", "/", "0.0004105"),
        ("250.3", "uS/cm", "S/m", "0.02503"),
        ("3.7", "V", "mV", "3700"),
        ("-93", "dBm", "dBW", "-123"),
        ("1.5", "jam", "menit", "90"),
        ("90", "m3/h", "l/s", "25"),
    ] {
        let (from, to) = (Unit::parse(from).unwrap(), Unit::parse(to).unwrap());
        assert_eq!(from.convert(told.parse().unwrap(), to).unwrap().to_string(), expected, "{told}");
    }
    let hundredth = (Unit::parse("Pa").unwrap(), Unit::parse("hPa").unwrap());
    for tenths in 3_000_i32..=11_000 {
        let pascal = f64::from(tenths * 10);
        let shown = hundredth.0.convert(pascal, hundredth.1).unwrap().to_string();
        assert!(shown.len() <= 6, "{pascal} Pa is shown as {shown} hPa");
    }
}

#[test]
fn each_spelling_is_the_right_unit() {
    for (spellings, name) in [
        ("Cel °C degC CEL celsius Celsius CELSIUS", "Cel"),
        ("%RH %EL % P1 persen Persen /100", "%"),
        ("GQ µg/m³ μg/m3 ug/m3", "ug/m3"),
        ("A97 mbar hPa", "hPa"),
        ("59 [ppm] ppm", "ppm"),
        ("DD deg °", "deg"),
        ("MTS m/s m/detik", "m/s"),
        ("KMH km/h km/jam", "km/h"),
        ("2N dB dB[SPL] dBspl dB(A) desibel", "dB"),
        ("Bspl B[SPL]", "Bspl"),
        ("LUX lux lx", "lx"),
        ("MMT mm milimeter l/m2", "mm"),
        ("MTR m meter mdpl", "m"),
        ("VLT V Volt", "V"),
        ("D54 W/m2 W/m²", "W/m2"),
        ("mm/h mm/jam", "mm/h"),
        ("{count} count buah", "count"),
        ("beat/min 1/min rpm", "1/min"),
        ("mW milliwatt", "mW"),
        ("MW Megawatt", "MW"),
    ] {
        for spelling in spellings.split(' ') {
            assert_eq!(Unit::parse(spelling).map(Unit::name), Some(name), "{spelling}");
        }
    }
    assert_eq!(Unit::parse(" derajat Celsius ").map(Unit::name), Some("Cel"));
    for unknown in ["furlong", "", "cel", "MM", "mw", "Cel.s", "%%", "kelvins per hour"] {
        assert_eq!(Unit::parse(unknown), None, "{unknown}");
    }
}

/// RFC 8428, 12.1, RFC 8798 and the registry's later entries.
#[test]
fn the_units_of_senml_are_known() {
    let primary = "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 \
                   m3/s l/s W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats \
                   S/m B VA VAs var vars J/m kg/m3 deg";
    let secondary = "ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 \
                     mm/h m/h ppm /100 /1000 hPa mm cm km km/h";
    for name in primary.split_whitespace().chain(secondary.split_whitespace()) {
        assert!(Unit::parse(name).is_some(), "{name}");
    }
}

#[test]
fn no_spelling_stands_twice() {
    let mut seen = HashSet::new();
    for row in TABLE {
        for name in std::iter::once(&row.name).chain(row.aliases) {
            let key = if is_word(name) { name.to_ascii_lowercase() } else { (*name).to_owned() };
            assert!(seen.insert(key), "{name} stands twice");
        }
    }
}
