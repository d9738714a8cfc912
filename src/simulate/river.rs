//! River level: `{"ts":<unix s>,"level_cm":..,"battery_v":..}`; the first river rises through all bands.

use super::device::{Device, SECOND, tenths};
use super::{ExpectedPoint, ExpectedTime};

/// Level in centimetres from which the river is kuning.
pub const KUNING_CM: f64 = 150.0;
/// Level in centimetres from which the river is merah.
pub const MERAH_CM: f64 = 250.0;
/// The top of a gauge that shows the simulated rivers, in centimetres.
pub const TOP_CM: f64 = 350.0;

/// Flood levels as East Java names them, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    Hijau,
    Kuning,
    Merah,
}

impl Band {
    /// The band of a level in centimetres.
    pub fn of(level_cm: f64) -> Self {
        if level_cm >= MERAH_CM {
            Self::Merah
        } else if level_cm >= KUNING_CM {
            Self::Kuning
        } else {
            Self::Hijau
        }
    }
}

/// Rises for 24 messages, stands for 6, falls for 30: with one a second a demo of 20 s sees all bands.
fn flood_tenths(message: u64, rng: &mut fastrand::Rng) -> i32 {
    let at = i32::try_from(message % 60).unwrap_or(0);
    let height = match at {
        0..24 => 600 + at * 110,
        24..30 => 3240,
        _ => 3240 - (at - 30) * 88,
    };
    height + rng.i32(-20..=20)
}

fn level_tenths(message: u64, floods: bool, rng: &mut fastrand::Rng) -> i32 {
    if floods { flood_tenths(message, rng) } else { rng.i32(500..=900) }
}

/// A reading at `told`, Unix time in nanoseconds.
pub(super) fn reading(
    device: &Device,
    told: i64,
    floods: bool,
    rng: &mut fastrand::Rng,
) -> (String, ExpectedPoint) {
    let level = tenths(level_tenths(device.made, floods, rng));
    let battery = tenths(rng.i32(118..=134));
    let payload = format!(r#"{{"ts":{},"level_cm":{level},"battery_v":{battery}}}"#, told.div_euclid(SECOND));
    (payload, point(device, ExpectedTime::Told(told), level, battery, 1))
}

/// The point of such a reading, all its fields under one flag.
pub(super) fn point(
    device: &Device,
    time: ExpectedTime,
    level_cm: f64,
    battery: f64,
    flag: u8,
) -> ExpectedPoint {
    ExpectedPoint::new("water_level", &device.id, time)
        .flagged("water_level_m", level_cm / 100.0, flag)
        .flagged("battery_v", battery, flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flood_passes_all_bands_within_twenty_messages() {
        let mut rng = fastrand::Rng::with_seed(1);
        let bands: Vec<Band> = (0..20).map(|n| Band::of(tenths(flood_tenths(n, &mut rng)))).collect();
        assert!(bands.is_sorted());
        for band in [Band::Hijau, Band::Kuning, Band::Merah] {
            assert!(bands.contains(&band), "{band:?}");
        }
        assert!((60..70).all(|n| Band::of(tenths(flood_tenths(n % 60, &mut rng))) <= Band::Kuning));
    }
}
