//! Street lights: two samples a second apart, as an array in JSON or as lines of CSV with decimal commas.

use super::device::{Device, Kind, SECOND, hundredths, tenths};
use super::{ExpectedPoint, ExpectedTime};

pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, Vec<ExpectedPoint>) {
    let mut samples = Vec::with_capacity(2);
    let mut points = Vec::with_capacity(2);
    for time in [told.saturating_sub(SECOND), told] {
        let on = rng.bool();
        let power = tenths(if on { rng.i32(600..=1200) } else { rng.i32(0..=10) });
        let voltage = tenths(rng.i32(2100..=2350));
        let current = hundredths(if on { rng.i32(27..=55) } else { 0 });
        let seconds = time.div_euclid(SECOND);
        samples.push(match device.kind {
            Kind::Csv => format!("{seconds};{power};{voltage};{current};{}", u8::from(on)).replace('.', ","),
            _ => format!(
                r#"{{"t":{seconds},"power_w":{power},"voltage":{voltage},"current":{current},"on":{on}}}"#
            ),
        });
        points.push(
            ExpectedPoint::new("street_light", &device.id, ExpectedTime::Told(time))
                .good("power_w", power)
                .good("voltage_v", voltage)
                .good("current_a", current)
                .good("lamp_on_state", f64::from(u8::from(on))),
        );
    }
    let payload = match device.kind {
        Kind::Csv => samples.join("\r\n") + "\r\n",
        _ => format!("[{}]", samples.join(",")),
    };
    (payload, points)
}
