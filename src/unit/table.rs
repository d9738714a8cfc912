//! The table of units: names, aliases and how each converts to the base of its dimension.
//!
//! Names follow SenML's registry (RFC 8428, 12.1) and its secondary units (RFC 8798); aliases are UCUM's names, the
//! codes of UN/CEFACT Recommendation 20 (FIWARE's `unitCode`), plain spellings and Indonesian ones, and SenML's sums
//! (`W.s`). `C` and `F` are degrees here, as devices mean them, where SenML's registry has coulomb and farad.

/// What a unit measures; only units of one dimension convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Temperature,
    One,
    Pressure,
    MassConcentration,
    Speed,
    Angle,
    Illuminance,
    Irradiance,
    Level,
    Length,
    Area,
    Volume,
    Flow,
    Acceleration,
    Voltage,
    Current,
    Power,
    ApparentPower,
    ReactivePower,
    Energy,
    ApparentEnergy,
    ReactiveEnergy,
    Charge,
    EnergyPerDistance,
    Resistance,
    Conductance,
    Capacitance,
    FluxDensity,
    MagneticFlux,
    Inductance,
    PowerLevel,
    Frequency,
    Time,
    Acidity,
    Turbidity,
    Conductivity,
    Mass,
    Radioactivity,
    AbsorbedDose,
    DoseEquivalent,
    DoseRate,
    Information,
    DataRate,
    Latitude,
    Longitude,
    LuminousIntensity,
    Luminance,
    LuminousFlux,
    Force,
    Amount,
    SolidAngle,
    CatalyticActivity,
}

/// One row: the base's value is `(value · times + plus) / over`.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) dimension: Dimension,
    pub(super) times: i64,
    pub(super) plus: i64,
    pub(super) over: i64,
}

macro_rules! units {
    ($($name:literal $aliases:expr, $dimension:ident, $times:literal, $plus:expr, $over:literal;)+) => {
        pub(super) const TABLE: &[Row] = &[$(Row {
            name: $name,
            aliases: &$aliases,
            dimension: Dimension::$dimension,
            times: $times,
            plus: $plus,
            over: $over,
        },)+];
    };
}

// The radian takes pi as 245850922/78256779, which is right to 17 digits.
units! {
    // Air and weather first: they are looked for most.
    "Cel" ["°C", "C", "degC", "CEL", "celsius", "°Celsius", "derajat", "derajat celsius", "derajat celcius", "derajat C"], Temperature, 1, 0, 1;
    "K" ["KEL", "kelvin"], Temperature, 100, -27_315, 100;
    "[degF]" ["°F", "F", "degF", "FAH", "fahrenheit", "°Fahrenheit", "derajat fahrenheit"], Temperature, 5, -160, 9;
    "%" ["%RH", "%EL", "/100", "pct", "percent", "persen", "P1"], One, 1, 0, 100;
    "hPa" ["mbar", "A97", "MBR", "millibar", "hektopascal"], Pressure, 100, 0, 1;
    "Pa" ["PAL", "pascal"], Pressure, 1, 0, 1;
    "kPa" ["KPA", "kilopascal"], Pressure, 1000, 0, 1;
    "bar" ["BAR"], Pressure, 100_000, 0, 1;
    "mmHg" ["mm[Hg]", "HN"], Pressure, 133_322_387_415, 0, 1_000_000_000;
    "Torr" [], Pressure, 20_265, 0, 152;
    "ug/m3" ["µg/m³", "μg/m³", "µg/m3", "μg/m3", "ug/m³", "GQ"], MassConcentration, 1, 0, 1;
    "mg/m3" ["mg/m³", "GP"], MassConcentration, 1000, 0, 1;
    "g/m3" ["g/m³", "A93"], MassConcentration, 1_000_000, 0, 1;
    "kg/m3" ["kg/m³", "KMQ"], MassConcentration, 1_000_000_000, 0, 1;
    "mg/l" ["mg/L", "M1"], MassConcentration, 1_000_000, 0, 1;
    "ug/l" ["µg/l", "μg/l", "ug/L", "µg/L", "μg/L"], MassConcentration, 1000, 0, 1;
    "ppm" ["[ppm]", "59"], One, 1, 0, 1_000_000;
    "ppb" ["[ppb]", "61"], One, 1, 0, 1_000_000_000;
    "m/s" ["mps", "MTS", "m/detik", "m/dt", "meter/detik", "meter per detik"], Speed, 1, 0, 1;
    "km/h" ["kmh", "kph", "KMH", "km/jam", "kilometer per jam"], Speed, 5, 0, 18;
    "[kn_i]" ["kn", "KNT", "knot", "knots"], Speed, 463, 0, 900;
    "[mi_i]/h" ["mph", "HM"], Speed, 1397, 0, 3125;
    "mm/h" ["mmh", "mm/hr", "mm/jam"], Speed, 1, 0, 3_600_000;
    "m/h" ["m/jam"], Speed, 1, 0, 3600;
    "cm/s" ["2M", "cm/detik"], Speed, 1, 0, 100;
    "deg" ["°", "DD", "degree", "degrees", "derajat sudut"], Angle, 1, 0, 1;
    "rad" ["C81", "radian"], Angle, 14_086_220_220, 0, 245_850_922;
    "lx" ["LUX", "lux"], Illuminance, 1, 0, 1;
    "klx" ["KLX", "kilolux"], Illuminance, 1000, 0, 1;
    "W/m2" ["W/m²", "D54"], Irradiance, 1, 0, 1;
    "dB" ["dBA", "dB(A)", "dB[SPL]", "dBspl", "2N", "decibel", "desibel"], Level, 1, 0, 1;
    "Bspl" ["B[SPL]"], Level, 10, 0, 1;
    "dB{snr}" [], Level, 1, 0, 1;
    // Lengths, areas, volumes and flows
    "m" ["MTR", "mdpl", "meter", "metre", "m/s.s"], Length, 1, 0, 1;
    "mm" ["MMT", "l/m2", "L/m2", "l/m²", "milimeter", "millimeter", "millimetre"], Length, 1, 0, 1000;
    "cm" ["CMT", "sentimeter", "centimeter", "centimetre"], Length, 1, 0, 100;
    "km" ["KMT", "kilometer", "kilometre"], Length, 1000, 0, 1;
    "[in_i]" ["in", "inch", "INH", "inci"], Length, 127, 0, 5000;
    "[ft_i]" ["ft", "feet", "foot", "FOT"], Length, 381, 0, 1250;
    "m2" ["m²", "MTK", "meter persegi"], Area, 1, 0, 1;
    "ha" ["hektare", "hektar", "hectare", "HAR"], Area, 10_000, 0, 1;
    "m3" ["m³", "MTQ", "meter kubik", "m3/s.s"], Volume, 1, 0, 1;
    "l" ["L", "LTR", "liter", "litre", "dm3", "l/s.s"], Volume, 1, 0, 1000;
    "ml" ["mL", "MLT", "mililiter", "milliliter"], Volume, 1, 0, 1_000_000;
    "m3/s" ["m³/s", "MQS", "m3/detik", "m³/detik", "m3/dt"], Flow, 1, 0, 1;
    "m3/h" ["m³/h", "MQH", "m3/jam", "m³/jam"], Flow, 1, 0, 3600;
    "l/s" ["L/s", "G51", "l/detik", "liter/detik", "l/dt"], Flow, 1, 0, 1000;
    "l/min" ["L/min", "L2", "l/menit", "liter/menit"], Flow, 1, 0, 60_000;
    "l/h" ["L/h", "E32", "l/jam", "liter/jam"], Flow, 1, 0, 3_600_000;
    "m/s2" ["m/s²", "MSK"], Acceleration, 1, 0, 1;
    // Electricity
    "V" ["VLT", "volt"], Voltage, 1, 0, 1;
    "mV" ["2Z", "millivolt", "milivolt"], Voltage, 1, 0, 1000;
    "kV" ["KVT", "kilovolt"], Voltage, 1000, 0, 1;
    "A" ["AMP", "ampere", "amper"], Current, 1, 0, 1;
    "mA" ["4K", "milliampere", "miliampere"], Current, 1, 0, 1000;
    "W" ["WTT", "watt"], Power, 1, 0, 1;
    "kW" ["KWT", "kilowatt"], Power, 1000, 0, 1;
    "mW" ["C31", "milliwatt"], Power, 1, 0, 1000;
    "MW" ["MAW", "megawatt"], Power, 1_000_000, 0, 1;
    "VA" ["D46"], ApparentPower, 1, 0, 1;
    "kVA" ["KVA"], ApparentPower, 1000, 0, 1;
    "MVA" [], ApparentPower, 1_000_000, 0, 1;
    "var" ["D44"], ReactivePower, 1, 0, 1;
    "kvar" ["KVR"], ReactivePower, 1000, 0, 1;
    "kWh" ["KWH", "kW.h"], Energy, 3_600_000, 0, 1;
    "Wh" ["WHR", "W.h"], Energy, 3600, 0, 1;
    "MWh" ["MWH"], Energy, 3_600_000_000, 0, 1;
    "J" ["JOU", "joule", "W.s"], Energy, 1, 0, 1;
    "mJ" ["mW.s"], Energy, 1, 0, 1000;
    "kJ" ["KJO", "kilojoule", "kW.s"], Energy, 1000, 0, 1;
    "MJ" ["3B", "megajoule", "MW.s"], Energy, 1_000_000, 0, 1;
    "VAs" ["VA.s"], ApparentEnergy, 1, 0, 1;
    "kVAh" ["C79"], ApparentEnergy, 3_600_000, 0, 1;
    "vars" ["var.s"], ReactiveEnergy, 1, 0, 1;
    "varh" [], ReactiveEnergy, 3600, 0, 1;
    "kvarh" ["K3"], ReactiveEnergy, 3_600_000, 0, 1;
    "As" ["A.s", "COU", "coulomb"], Charge, 1, 0, 1;
    "Ah" ["A.h", "AMH"], Charge, 3600, 0, 1;
    "mAh" ["E09"], Charge, 18, 0, 5;
    "J/m" [], EnergyPerDistance, 1, 0, 1;
    "Wh/km" [], EnergyPerDistance, 18, 0, 5;
    "Ohm" ["OHM", "ohm", "Ω"], Resistance, 1, 0, 1;
    "kOhm" ["B49", "kΩ"], Resistance, 1000, 0, 1;
    "S" ["SIE", "siemens"], Conductance, 1, 0, 1;
    "farad" ["FAR"], Capacitance, 1, 0, 1;
    "T" ["D33", "tesla"], FluxDensity, 1, 0, 1;
    "Wb" ["WEB", "weber"], MagneticFlux, 1, 0, 1;
    "H" ["81", "henry"], Inductance, 1, 0, 1;
    "dBm" ["dB[mW]"], PowerLevel, 1, 0, 1;
    "dBW" ["dB[W]"], PowerLevel, 1, 30, 1;
    "Hz" ["1/s", "HTZ", "hertz"], Frequency, 1, 0, 1;
    "kHz" ["KHZ", "kilohertz"], Frequency, 1000, 0, 1;
    "MHz" ["MHZ", "megahertz"], Frequency, 1_000_000, 0, 1;
    "1/min" ["beat/min", "bpm", "rpm", "RPM"], Frequency, 1, 0, 60;
    // Counts and ratios: all of dimension one, as RFC 8798 relates them
    "count" ["{count}", "C62", "bool", "counts", "beats", "buah", "orang", "kendaraan", "1/s.s", "Hz.s"], One, 1, 0, 1;
    "/" ["1", "ratio", "rasio"], One, 1, 0, 1;
    "/1000" ["permille", "permil", "‰"], One, 1, 0, 1000;
    // Time
    "s" ["SEC", "sec", "second", "seconds", "detik", "EL"], Time, 1, 0, 1;
    "ms" ["C26", "milidetik", "millisecond"], Time, 1, 0, 1000;
    "us" ["µs", "μs", "B98", "mikrodetik"], Time, 1, 0, 1_000_000;
    "min" ["MIN", "menit", "minute", "minutes"], Time, 60, 0, 1;
    "h" ["HUR", "jam", "hour", "hours"], Time, 3600, 0, 1;
    "d" ["DAY", "hari", "day", "days"], Time, 86_400, 0, 1;
    // Water, mass, radiation, data, and what is only known by name
    "pH" ["[pH]", "Q30"], Acidity, 1, 0, 1;
    "NTU" ["{NTU}"], Turbidity, 1, 0, 1;
    "S/m" ["D10"], Conductivity, 1, 0, 1;
    "mS/cm" ["H61"], Conductivity, 1, 0, 10;
    "uS/cm" ["µS/cm", "μS/cm", "G42"], Conductivity, 1, 0, 10_000;
    "kg" ["KGM", "kilogram"], Mass, 1, 0, 1;
    "g" ["GRM", "gram"], Mass, 1, 0, 1000;
    "mg" ["MGM", "miligram", "milligram"], Mass, 1, 0, 1_000_000;
    "t" ["TNE", "ton", "tonne"], Mass, 1000, 0, 1;
    "Bq" ["BQL", "becquerel"], Radioactivity, 1, 0, 1;
    "Gy" ["A95", "gray"], AbsorbedDose, 1, 0, 1;
    "Sv" ["D13", "sievert"], DoseEquivalent, 1, 0, 1;
    "uSv/h" ["µSv/h", "μSv/h", "uSv/jam"], DoseRate, 1, 0, 1;
    "nSv/h" [], DoseRate, 1, 0, 1000;
    "bit" ["A99", "bit/s.s"], Information, 1, 0, 1;
    "B" ["AD", "byte", "By"], Information, 8, 0, 1;
    "KiB" [], Information, 8192, 0, 1;
    "kB" ["2P"], Information, 8000, 0, 1;
    "MB" ["4L"], Information, 8_000_000, 0, 1;
    "GB" ["E34"], Information, 8_000_000_000, 0, 1;
    "bit/s" ["B10"], DataRate, 1, 0, 1;
    "kbit/s" ["C74"], DataRate, 1000, 0, 1;
    "Mbit/s" ["E20"], DataRate, 1_000_000, 0, 1;
    "B/s" ["P93"], DataRate, 8, 0, 1;
    "MB/s" ["P95"], DataRate, 8_000_000, 0, 1;
    "lat" [], Latitude, 1, 0, 1;
    "lon" [], Longitude, 1, 0, 1;
    "cd" ["CDL", "candela"], LuminousIntensity, 1, 0, 1;
    "cd/m2" ["cd/m²", "A24"], Luminance, 1, 0, 1;
    "lm" ["LUM", "lumen"], LuminousFlux, 1, 0, 1;
    "N" ["NEW", "newton"], Force, 1, 0, 1;
    "mol" ["C34"], Amount, 1, 0, 1;
    "sr" ["D27"], SolidAngle, 1, 0, 1;
    "kat" ["KAT"], CatalyticActivity, 1, 0, 1;
}
