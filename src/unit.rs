//! Units: names, aliases and exact conversions.
//!
//! Names follow SenML (RFC 8428, RFC 8798) where it has one; aliases are common plain spellings, UCUM's and
//! UN/CEFACT's codes. A conversion is `value · scale + offset` to the base unit of its dimension.

/// What a unit measures; only units of one dimension convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Temperature,
    Ratio,
    Pressure,
    Length,
    Speed,
    RainRate,
    Angle,
    MassConcentration,
    VolumeFraction,
    SoundLevel,
    Voltage,
    Current,
    Power,
    Energy,
    Illuminance,
    Irradiance,
    PowerLevel,
    LevelRatio,
    Time,
    Count,
    Position,
    Acidity,
    Conductivity,
    Flow,
    Mass,
    Volume,
    Frequency,
    Radioactivity,
    ApparentPower,
    ReactivePower,
}

/// One row of the table below.
#[derive(Debug, PartialEq)]
struct Row {
    name: &'static str,
    aliases: &'static [&'static str],
    dimension: Dimension,
    scale: f64,
    offset: f64,
}

/// A unit of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit(&'static Row);

macro_rules! units {
    ($($name:literal $aliases:expr, $dimension:ident, $scale:expr, $offset:expr;)+) => {
        const TABLE: &[Row] = &[$(Row {
            name: $name,
            aliases: &$aliases,
            dimension: Dimension::$dimension,
            scale: $scale,
            offset: $offset,
        },)+];
    };
}

units! {
    "Cel" ["°C", "C", "degC", "celsius", "CEL", "derajat celcius"], Temperature, 1.0, 0.0;
    "K" ["kelvin", "KEL"], Temperature, 1.0, -273.15;
    "[degF]" ["°F", "F", "degF", "fahrenheit", "FAH"], Temperature, 5.0 / 9.0, -160.0 / 9.0;
    "%" ["%RH", "%EL", "pct", "percent", "persen", "P1"], Ratio, 1.0, 0.0;
    "/" ["1", "ratio"], Ratio, 100.0, 0.0;
    "hPa" ["mbar", "A97"], Pressure, 1.0, 0.0;
    "Pa" ["pascal", "PAL"], Pressure, 0.01, 0.0;
    "kPa" ["KPA"], Pressure, 10.0, 0.0;
    "mmHg" ["mm[Hg]", "torr"], Pressure, 1.333_223_874_15, 0.0;
    "m" ["meter", "metre", "MTR"], Length, 1.0, 0.0;
    "cm" ["CMT"], Length, 0.01, 0.0;
    "mm" ["MMT", "l/m2"], Length, 0.001, 0.0;
    "km" ["KMT"], Length, 1000.0, 0.0;
    "m/s" ["mps", "MTS"], Speed, 1.0, 0.0;
    "km/h" ["kmh", "kph", "KMH"], Speed, 1.0 / 3.6, 0.0;
    "[kn_i]" ["kn", "knot", "knots"], Speed, 1852.0 / 3600.0, 0.0;
    "mm/h" ["mmh", "mm/hr"], RainRate, 1.0, 0.0;
    "deg" ["°", "degree", "degrees", "derajat", "DD"], Angle, 1.0, 0.0;
    "rad" ["C81"], Angle, 180.0 / std::f64::consts::PI, 0.0;
    "ug/m3" ["µg/m³", "μg/m³", "µg/m3", "μg/m3", "ug/m³", "GQ"], MassConcentration, 1.0, 0.0;
    "mg/m3" ["mg/m³", "GP"], MassConcentration, 1000.0, 0.0;
    "kg/m3" ["kg/m³", "KMQ"], MassConcentration, 1e9, 0.0;
    "mg/l" ["mg/L", "M1"], MassConcentration, 1e6, 0.0;
    "ppm" ["[ppm]", "59"], VolumeFraction, 1.0, 0.0;
    "ppb" ["[ppb]", "61"], VolumeFraction, 0.001, 0.0;
    "dB" ["dBA", "dB(A)", "dB[SPL]", "2N"], SoundLevel, 1.0, 0.0;
    "Bspl" ["B[SPL]"], SoundLevel, 10.0, 0.0;
    "V" ["volt", "Volt", "VLT"], Voltage, 1.0, 0.0;
    "kV" ["KVT"], Voltage, 1000.0, 0.0;
    "mV" ["2Z"], Voltage, 0.001, 0.0;
    "A" ["ampere", "AMP"], Current, 1.0, 0.0;
    "mA" ["4K"], Current, 0.001, 0.0;
    "W" ["watt", "WTT"], Power, 1.0, 0.0;
    "kW" ["KWT"], Power, 1000.0, 0.0;
    "mW" ["C31"], Power, 0.001, 0.0;
    "MW" ["MAW"], Power, 1e6, 0.0;
    "VA" ["D46"], ApparentPower, 1.0, 0.0;
    "kVA" ["KVA"], ApparentPower, 1000.0, 0.0;
    "var" ["D44"], ReactivePower, 1.0, 0.0;
    "kvar" ["KVR"], ReactivePower, 1000.0, 0.0;
    "kWh" ["KWH"], Energy, 1.0, 0.0;
    "Wh" ["WHR"], Energy, 0.001, 0.0;
    "MWh" ["MWH"], Energy, 1000.0, 0.0;
    "J" ["joule", "JOU"], Energy, 1.0 / 3.6e6, 0.0;
    "lx" ["lux", "LUX"], Illuminance, 1.0, 0.0;
    "W/m2" ["W/m²", "D54"], Irradiance, 1.0, 0.0;
    "dBm" [], PowerLevel, 1.0, 0.0;
    "dB{snr}" [], LevelRatio, 1.0, 0.0;
    "s" ["sec", "second", "detik", "SEC"], Time, 1.0, 0.0;
    "ms" ["C26"], Time, 0.001, 0.0;
    "min" ["menit", "MIN"], Time, 60.0, 0.0;
    "h" ["jam", "HUR"], Time, 3600.0, 0.0;
    "d" ["day", "hari", "DAY"], Time, 86_400.0, 0.0;
    "count" ["{count}", "C62", "bool", "buah"], Count, 1.0, 0.0;
    "lat" [], Position, 1.0, 0.0;
    "lon" [], Position, 1.0, 0.0;
    "pH" ["[pH]", "Q30"], Acidity, 1.0, 0.0;
    "S/m" ["D10"], Conductivity, 1.0, 0.0;
    "mS/cm" ["H61"], Conductivity, 0.1, 0.0;
    "uS/cm" ["µS/cm", "μS/cm", "G42"], Conductivity, 0.0001, 0.0;
    "m3/s" ["m³/s", "MQS"], Flow, 1.0, 0.0;
    "m3/h" ["m³/h", "MQH"], Flow, 1.0 / 3600.0, 0.0;
    "l/s" ["L/s", "G51"], Flow, 0.001, 0.0;
    "l/min" ["L/min", "L2"], Flow, 0.001 / 60.0, 0.0;
    "kg" ["kilogram", "KGM"], Mass, 1.0, 0.0;
    "g" ["gram", "GRM"], Mass, 0.001, 0.0;
    "t" ["ton", "TNE"], Mass, 1000.0, 0.0;
    "m3" ["m³", "MTQ"], Volume, 1.0, 0.0;
    "l" ["L", "liter", "litre", "LTR"], Volume, 0.001, 0.0;
    "Hz" ["1/s", "HTZ"], Frequency, 1.0, 0.0;
    "beat/min" ["1/min", "bpm"], Frequency, 1.0 / 60.0, 0.0;
    "Bq" ["BQL"], Radioactivity, 1.0, 0.0;
}

impl Unit {
    /// The unit of that name or alias. Case matters: `mW` is not `MW`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        TABLE.iter().find(|row| row.name == text || row.aliases.contains(&text)).map(Self)
    }

    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// `value` of this unit in `to`; nothing where they measure different things.
    pub fn convert(self, value: f64, to: Self) -> Option<f64> {
        if std::ptr::eq(self.0, to.0) {
            return Some(value);
        }
        let base = value.mul_add(self.0.scale, self.0.offset);
        (self.0.dimension == to.0.dimension).then(|| (base - to.0.offset) / to.0.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: f64, from: &str, to: &str, expected: f64) {
        let (from, to) = (Unit::parse(from).unwrap(), Unit::parse(to).unwrap());
        for (value, from, to, expected) in [(value, from, to, expected), (expected, to, from, value)] {
            let got = from.convert(value, to).unwrap();
            assert!((got - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{got} {}", to.name());
        }
    }

    #[test]
    fn conversions_are_right_both_ways() {
        check(86.0, "°F", "Cel", 30.0);
        check(300.15, "K", "Cel", 27.0);
        check(0.71, "/", "%RH", 71.0);
        check(100_834.56, "Pa", "hPa", 1008.3456);
        check(123.4, "cm", "m", 1.234);
        check(36.0, "km/h", "m/s", 10.0);
        check(6.2, "Bspl", "dB", 62.0);
        check(1500.0, "Wh", "kWh", 1.5);
        check(2.5, "mg/m3", "µg/m³", 2500.0);
        check(90.0, "m3/h", "l/s", 25.0);
        check(250.0, "uS/cm", "S/m", 0.025);
        check(3.6, "kWh", "J", 12_960_000.0);
        check(1.5, "jam", "menit", 90.0);
        check(750.0, "mmHg", "hPa", 999.917_905_612_5);
    }

    #[test]
    fn units_of_different_things_do_not_convert_and_names_are_unique() {
        assert_eq!(Unit::parse("m").unwrap().convert(1.0, Unit::parse("s").unwrap()), None);
        assert_eq!(Unit::parse("furlong"), None);
        let mut seen = std::collections::HashSet::new();
        for row in TABLE {
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(seen.insert(*name), "{name} stands twice");
            }
        }
    }
}
