//! Words: what names of values mean, in English and Indonesian.
//!
//! `air` is water in Indonesian and air in English: beside an Indonesian word it is water.

/// Names whose words fit get the quantity. Of several the first is taken.
pub(super) struct Rule {
    /// One word of each group must be there.
    groups: &'static [&'static [&'static str]],
    pub(super) quantity: &'static str,
}

const HEAT: &[&str] = &["temp", "temperature", "temperatur", "tmp", "suhu", "atmp", "tempc", "panas"];
const RIVER: &[&str] =
    &["water", "river", "sungai", "kolam", "kali", "embung", "bendung", "saluran", "drainase"];
const WIND: &[&str] = &["wind", "angin"];
const RAIN: &[&str] = &["rain", "rainfall", "hujan", "precip", "precipitation"];
const BATTERY: &[&str] = &["bat", "batt", "battery", "baterai", "batre", "aki", "accu"];
const NOISE: &[&str] = &["noise", "kebisingan", "bising", "laeq", "leq", "spl", "sound", "suara"];
const LAMP: &[&str] = &["lamp", "lampu", "pju", "light"];
const VEHICLE: &[&str] =
    &["vehicle", "vehicles", "kendaraan", "mobil", "motor", "car", "cars", "traffic", "lalin"];
const BIN: &[&str] = &["bin", "sampah", "tps", "container", "wadah", "kontainer"];

/// Of what is counted on and on. A total of vehicles or people may as well be that of all kinds in a period.
const ON_AND_ON: &[&str] = &["totalizer", "cumulative", "kumulatif", "akumulasi", "accumulated"];
const TOTAL: &[&str] = &["total", "totalizer", "cumulative", "kumulatif", "akumulasi", "accumulated"];
const PEOPLE: &[&str] = &["people", "person", "orang", "pejalan", "pedestrian", "pedestrians", "pengunjung"];

const fn rule(groups: &'static [&'static [&'static str]], quantity: &'static str) -> Rule {
    Rule { groups, quantity }
}

/// The special before the general.
pub(super) const RULES: &[Rule] = &[
    rule(&[&["pm25", "pm2p5", "pm02", "pm025"]], "pm25_ugm3"),
    rule(&[&["pm10", "pm100"]], "pm10_ugm3"),
    rule(&[&["pm4", "pm40", "pm04"]], "pm4_ugm3"),
    rule(&[&["pm1", "pm01"]], "pm1_ugm3"),
    rule(&[&["co2", "rco2", "karbondioksida"]], "co2_ppm"),
    rule(&[&["co", "karbonmonoksida"]], "co_ugm3"),
    rule(&[&["no2"]], "no2_ugm3"),
    rule(&[&["so2"]], "so2_ugm3"),
    rule(&[&["o3", "ozon", "ozone"]], "o3_ugm3"),
    rule(&[&["rssi"]], "signal_rssi_dbm"),
    rule(&[&["signal", "sinyal"]], "signal_rssi_dbm"),
    rule(&[&["snr", "lsnr"]], "signal_snr_db"),
    rule(&[&["suhu"], &["air"]], "water_temperature_c"),
    rule(&[HEAT, RIVER], "water_temperature_c"),
    rule(&[HEAT, BIN], "container_temperature_c"),
    rule(
        &[HEAT, &["device", "board", "cpu", "chip", "mcu", "internal", "perangkat", "modul", "papan"]],
        "device_temperature_c",
    ),
    rule(&[&["dew", "dewpoint", "embun"]], "dew_point_temperature_c"),
    rule(&[HEAT], "air_temperature_c"),
    rule(
        &[&["humidity", "hum", "rh", "rhum", "kelembaban", "kelembapan", "lembab"]],
        "relative_humidity_pct",
    ),
    rule(&[&["pressure", "press", "pres", "baro", "barometer", "tekanan"]], "air_pressure_hpa"),
    rule(&[WIND, &["gust", "hembusan", "max"]], "wind_speed_of_gust_ms"),
    rule(&[&["gust", "hembusan"]], "wind_speed_of_gust_ms"),
    rule(&[WIND, &["dir", "direction", "arah", "bearing"]], "wind_from_direction_deg"),
    rule(&[&["winddir", "arahangin"]], "wind_from_direction_deg"),
    rule(&[WIND, &["speed", "kecepatan", "spd", "kec", "avg"]], "wind_speed_ms"),
    rule(&[&["windspeed", "kecepatanangin", "anemometer"]], "wind_speed_ms"),
    rule(&[RAIN, &["rate", "intensitas", "intensity"]], "rain_rate_mmh"),
    rule(&[RAIN, TOTAL], "rain_total_mm"),
    rule(&[RAIN], "rain_mm"),
    rule(&[&["curahhujan"], TOTAL], "rain_total_mm"),
    rule(&[&["curahhujan"]], "rain_mm"),
    rule(&[&["solar", "irradiance", "radiasi", "ghi", "pyranometer"]], "solar_irradiance_wm2"),
    rule(&[&["lux", "illuminance", "luminosity", "cahaya", "illumination"]], "illuminance_lx"),
    rule(&[&["uv", "uvi", "uvindex"]], "uv_index"),
    rule(&[NOISE, &["max", "maks", "maximum"]], "lamax_dba"),
    rule(&[NOISE, &["min", "minimum"]], "lamin_dba"),
    rule(&[NOISE], "laeq_dba"),
    rule(&[BATTERY, &["pct", "persen", "percent", "level", "soc"]], "battery_level_pct"),
    rule(&[BATTERY], "battery_v"),
    rule(&[&["vbat", "vbatt", "batv", "batmv"]], "battery_v"),
    rule(&[&["fill", "filllevel", "kepenuhan", "keterisian", "isi", "penuh"]], "fill_level_pct"),
    rule(&[&["occupied", "occupancy", "terisi", "parkir", "parking", "terpakai"]], "occupied_state"),
    rule(&[VEHICLE, &["speed", "kecepatan"]], "vehicle_speed_kmh"),
    rule(&[VEHICLE, ON_AND_ON], "vehicle_total_count"),
    rule(&[VEHICLE], "vehicle_count"),
    rule(&[PEOPLE, ON_AND_ON], "people_total_count"),
    rule(&[PEOPLE], "people_count"),
    rule(&[&["distance", "dist", "jarak"]], "water_distance_m"),
    rule(&[&["tma", "waterlevel", "tinggiair", "tinggimukaair"]], "water_level_m"),
    rule(&[&["level", "tinggi", "ketinggian", "height", "depth", "kedalaman", "elevasi"]], "water_level_m"),
    rule(&[&["pf", "cosphi", "powerfactor"]], "power_factor"),
    rule(&[&["faktor", "factor"], &["daya", "power"]], "power_factor"),
    rule(&[&["energy", "energi", "kwh"]], "energy_kwh"),
    rule(&[&["power", "daya", "watt"]], "power_w"),
    rule(&[&["voltage", "volt", "tegangan"]], "voltage_v"),
    rule(&[&["current", "arus", "ampere"]], "current_a"),
    rule(&[LAMP], "lamp_on_state"),
    rule(&[&["uptime"]], "uptime_s"),
    rule(&[&["fcnt", "framecount"]], "frame_count"),
];

/// Words that say how a name is meant, where it fits no quantity although a word does: soil is not air.
const OTHER_THINGS: &[&str] =
    &["soil", "tanah", "setpoint", "target", "threshold", "ambang", "batas", "alarm"];

impl Rule {
    fn fits(&self, words: &[String]) -> bool {
        self.groups.iter().all(|group| group.iter().any(|wanted| words.iter().any(|word| word == wanted)))
    }
}

/// The quantity that a name's words mean.
pub(super) fn quantity(name: &str) -> Option<&'static str> {
    let words = words(name);
    if words.iter().any(|word| OTHER_THINGS.contains(&word.as_str())) {
        return None;
    }
    // The nearest name counts first: in `river.temp` that is `temp`, and all of the path only says which.
    let near = name.rsplit(['.', '/']).next().map(self::words).unwrap_or_default();
    let one_word = |rule: &&Rule| {
        rule.groups.iter().any(|group| group.iter().any(|wanted| near.iter().any(|word| word == wanted)))
    };
    let mut by_near = RULES.iter().filter(|rule| rule.fits(&words)).filter(one_word);
    by_near.next().or_else(|| RULES.iter().find(|rule| rule.fits(&words))).map(|rule| rule.quantity)
}

/// The words of a name in small letters, in order, and each part of its path as one word.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in particles(name).split(['.', '/']) {
        let mut whole = String::new();
        let mut word = String::new();
        let mut last = ' ';
        for character in part.chars().take(128) {
            let begins = character.is_uppercase() && last.is_lowercase();
            if (begins || !character.is_alphanumeric()) && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if character.is_alphanumeric() {
                word.extend(character.to_lowercase());
                whole.extend(character.to_lowercase());
            }
            last = character;
        }
        for text in [word, whole] {
            // `temp1` is `temp` too; `pm25` and `co2` are what they are, and their rules know them.
            let bare = text.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
            for text in [text, bare] {
                if text.chars().count() > 1 && !words.contains(&text) {
                    words.push(text);
                }
            }
        }
    }
    words
}

/// `PM2.5` is one word, and `PM1.0` is not `PM10`.
fn particles(name: &str) -> String {
    let mut text = name.to_owned();
    for (written, meant) in [("pm1.0", "pm1"), ("pm1_0", "pm1"), ("pm2.5", "pm25"), ("pm2_5", "pm25")] {
        // Only such names are changed, so the others keep the capitals that part their words.
        while let Some(at) = text.to_ascii_lowercase().find(written) {
            text.replace_range(at..at.saturating_add(written.len()), meant);
        }
    }
    text
}

/// What texts of switches and places stand for.
pub(super) fn state(text: &str) -> Option<f64> {
    const ON: &[&str] = &[
        "on", "true", "yes", "ya", "occupied", "terisi", "nyala", "hidup", "menyala", "open", "buka",
        "aktif", "active", "busy", "isi", "ada",
    ];
    const OFF: &[&str] = &[
        "off",
        "false",
        "no",
        "tidak",
        "free",
        "kosong",
        "vacant",
        "mati",
        "padam",
        "closed",
        "tutup",
        "nonaktif",
        "inactive",
        "available",
        "empty",
    ];
    let small = text.trim().to_lowercase();
    if ON.contains(&small.as_str()) {
        return Some(1.0);
    }
    OFF.contains(&small.as_str()).then_some(0.0)
}

/// What rows of a store belong to, by what is measured.
pub(super) fn measurement(quantities: &[&str]) -> Option<&'static str> {
    const KINDS: &[(&[&str], &str)] = &[
        (
            &["pm25_ugm3", "pm10_ugm3", "pm1_ugm3", "no2_ugm3", "so2_ugm3", "o3_ugm3", "co_ugm3"],
            "air_quality",
        ),
        (&["water_level_m", "water_distance_m", "water_temperature_c"], "water_level"),
        (&["laeq_dba", "lamax_dba"], "noise"),
        (&["fill_level_pct", "container_temperature_c"], "waste"),
        (&["occupied_state"], "parking"),
        (
            &[
                "vehicle_count",
                "vehicle_total_count",
                "vehicle_speed_kmh",
                "people_count",
                "people_total_count",
            ],
            "traffic",
        ),
        (&["lamp_on_state"], "street_light"),
        (&["power_w", "energy_kwh", "voltage_v", "current_a"], "power"),
        (&["co2_ppm"], "air_quality"),
        (
            &[
                "air_temperature_c",
                "relative_humidity_pct",
                "rain_mm",
                "rain_total_mm",
                "wind_speed_ms",
                "solar_irradiance_wm2",
            ],
            "weather",
        ),
        (&["battery_v", "signal_rssi_dbm", "uptime_s", "battery_level_pct"], "device_status"),
    ];
    let of_kind =
        |(members, _): &&(&[&str], &str)| quantities.iter().any(|quantity| members.contains(quantity));
    KINDS.iter().find(of_kind).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_english_and_indonesian_mean_their_quantity() {
        for (name, expected) in [
            ("suhu", Some("air_temperature_c")),
            ("suhu_air", Some("water_temperature_c")),
            ("suhuUdara", Some("air_temperature_c")),
            ("air_temp", Some("air_temperature_c")),
            ("river.temp", Some("water_temperature_c")),
            ("temp1", Some("air_temperature_c")),
            ("soil_temp", None),
            ("kelembaban", Some("relative_humidity_pct")),
            ("curah_hujan", Some("rain_mm")),
            ("rain.rate", Some("rain_rate_mmh")),
            ("rain_total", Some("rain_total_mm")),
            ("orangTotal", Some("people_count")),
            ("pengunjung_akumulasi", Some("people_total_count")),
            ("kendaraan", Some("vehicle_count")),
            ("kendaraan_kumulatif", Some("vehicle_total_count")),
            ("kecepatan_angin", Some("wind_speed_ms")),
            ("arahAngin", Some("wind_from_direction_deg")),
            ("tinggi_air", Some("water_level_m")),
            ("TMA", Some("water_level_m")),
            ("PM2.5", Some("pm25_ugm3")),
            ("pm2_5", Some("pm25_ugm3")),
            ("pm10", Some("pm10_ugm3")),
            ("PM1.0", Some("pm1_ugm3")),
            ("bat_mv", Some("battery_v")),
            ("baterai.persen", Some("battery_level_pct")),
            ("kebisingan", Some("laeq_dba")),
            ("noise_max", Some("lamax_dba")),
            ("filling", None),
            ("fw", None),
            ("", None),
        ] {
            assert_eq!(quantity(name), expected, "{name}: {:?}", words(name));
        }
    }

    #[test]
    fn every_rule_names_a_quantity_of_the_shipped_catalogue() {
        let catalogue = include_str!("../../config/catalogue.toml");
        let catalogue = crate::catalogue::Catalogue::load(catalogue, "catalogue.toml").unwrap();
        for rule in RULES {
            assert!(catalogue.get(rule.quantity).is_some(), "{}", rule.quantity);
        }
    }
}
