//! Format `chirpstack`: JSON events of ChirpStack v4 (its documentation, Integrations, Events).
//!
//! `up` gives the readings of `object`, which ChirpStack's own codec made; `status` gives battery and link margin;
//! everything else is no reading. The time is the gateway's or the server's, never the sensor's. proto3 JSON leaves
//! out zero, false and empty values, so any member may be missing.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::flatten::{Wanted, flatten};
use super::told::{TimeFormat, Told};
use super::{Decoded, Hints, malformed};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    device_info: Option<DeviceInfo<'a>>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    margin: Option<f64>,
    battery_level: Option<f64>,
    #[serde(default)]
    external_power_source: bool,
    #[serde(default)]
    battery_level_unavailable: bool,
    f_cnt: Option<f64>,
    #[serde(default)]
    rx_info: Vec<RxInfo>,
}

/// How one gateway heard it; zeros are left out of proto3 JSON.
#[derive(Deserialize)]
struct RxInfo {
    #[serde(default)]
    rssi: f64,
    #[serde(default)]
    snr: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo<'a> {
    #[serde(borrow)]
    dev_eui: Option<Cow<'a, str>>,
}

pub(super) fn decode<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let event: Event<'a> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    let device = event.device_info.and_then(|info| info.dev_eui);
    let time = event.time.map(|time| TimeFormat::Iso.read(&Told::Text(time), hints.zone)).transpose()?;
    let readings = if let Some(object) = event.object {
        let flat = flatten(object.get(), &Wanted { separator: ".", ..Wanted::default() }, hints)?;
        let base = flat.base.sample.readings;
        let moments = flat.moments.into_iter().flat_map(|moment| moment.sample.readings);
        base.into_iter().chain(moments).chain(link(&event.rx_info, event.f_cnt)).collect()
    } else if event.margin.is_some()
        || event.battery_level.is_some()
        || event.external_power_source
        || event.battery_level_unavailable
    {
        // The level of a device on mains power is not its battery's.
        let battery =
            event.battery_level.filter(|_| !event.external_power_source && !event.battery_level_unavailable);
        // A margin of 0 is left out like every zero.
        [("margin", event.margin.or(Some(0.0))), ("battery_level", battery)]
            .into_iter()
            .filter_map(|(name, value)| Some(reading(name, value?)))
            .collect()
    } else if event.data.is_some_and(|data| !data.is_empty()) {
        let detail = "only raw data: give the device profile in ChirpStack a codec";
        return Err(Rejection::new(Reason::NoValue, detail));
    } else {
        return Ok(Decoded::NotData(
            "an event without readings, such as a join or an acknowledgement".to_owned(),
        ));
    };
    Ok(Decoded::Samples { samples: vec![Sample { device, time, readings, ..Sample::default() }], rest: None })
}

/// How well it was heard, by the gateway that heard it best, and its count, whose gaps are losses.
fn link(heard: &[RxInfo], count: Option<f64>) -> Vec<Reading<'static>> {
    let best = heard.iter().max_by(|a, b| a.rssi.total_cmp(&b.rssi));
    let readings = [
        ("rx.rssi", best.map(|best| best.rssi)),
        ("rx.snr", best.map(|best| best.snr)),
        ("rx.f_cnt", best.and(count.or(Some(0.0)))),
    ];
    readings.into_iter().filter_map(|(name, value)| Some(reading(name, value?))).collect()
}

fn reading(name: &'static str, value: f64) -> Reading<'static> {
    Reading { name: Cow::Borrowed(name), value: ReadingValue::Number(value), unit: None, channel: None }
}
