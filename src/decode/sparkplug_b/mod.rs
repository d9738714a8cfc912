//! Format `sparkplug_b`: Eclipse Sparkplug 3.0 (also 2.2), payload B, on `spBv1.0/GROUP/TYPE/NODE[/DEVICE]`.
//!
//! Source: the specification (chapters 4 to 6) and `sparkplug_b.proto` of Eclipse Tahu. The namespace may stand
//! below other levels, as bridges put it. A node is the device `GROUP/NODE` (its descriptor), a device of it
//! `GROUP/NODE/DEVICE`. Readings are called as the metrics; a template's as `METRIC/MEMBER`, those of an array as
//! `METRIC.0`, `METRIC.1` and so on. No units are told.
//!
//! - *Time* is the metric's, else the payload's, in milliseconds UTC. Values of the past (`is_historical`) have their
//!   own. A node's death is its will, written when it connected: its time is the receipt's.
//! - *Births* tell names, aliases and datatypes; data may have the alias alone. They are remembered, and lie in the
//!   snapshots. Data with an alias that no birth told is held as `no_birth`: a rebirth mends that, and then a replay.
//!   So would whole numbers without a datatype be, whose sign nothing tells. An alias is looked up in the birth that
//!   is known now, also for messages of before.
//! - *Birth and death* are device status: the reading `online`. A node's death is that of all its devices, and ends
//!   what they told; one of an earlier session (another `bdSeq`) is nothing.
//! - *Sequence*: a gap is told as the reading `lost` of the node, the number of its messages that are missing. A
//!   message that is late, or comes twice, by its number and its payload's time, moves nothing.
//! - *Whole numbers* of signed types are two's complement, in the type's own width or filled up to the field's; Tahu's
//!   libraries do both, and put a `UInt32` into either field. A number that does not fit its datatype is refused.
//! - *Floats of 32 bits* are read as the shortest decimal that gives them: 12.1.
//! - *No value*: `is_null`, and the property `Quality` of 0 (bad) or 500 (stale). *Transient* metrics ask not to be
//!   stored, and are not. `bdSeq`, `Node Control/…` and `Device Control/…` are no measurements.
//! - *Compressed payloads* (`compressed.rs`) are read as the one inside.
//! - *Tables, octets, files, extensions* are said not to be stored: the rows of a table have no time or name of their
//!   own, so all of one device would be one point. Bodies of another kind than compressed payloads are refused. Commands
//!   and `STATE` are not data.

mod births;
mod compressed;
mod payload;
pub mod rebirth;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

pub(super) use self::births::Births;

use self::births::Told;
use self::payload::{Metric, Payload, Raw};
use self::value::{DATE_TIME, DATE_TIME_ARRAY, Value, value};
use super::{Decoded, Hints};
use crate::outcome::{Reason, Rejection};
use crate::reading::{MAX_DEVICE_ID, Reading, ReadingValue, Sample};

const NAMESPACE: &str = "spBv1.0";
/// Each reading carries its own name, and births are kept, so length times count must stay bounded.
const MAX_NAME: usize = 256;

/// The id of the device that a topic names, where it names one.
pub(super) fn device(topic: &str) -> Option<String> {
    let levels: Vec<_> = topic.split('/').skip_while(|level| *level != NAMESPACE).skip(1).collect();
    match levels.as_slice() {
        [group, _, node] => Some(format!("{group}/{node}")),
        [group, _, node, device] => Some(format!("{group}/{node}/{device}")),
        _ => None,
    }
}

pub(super) fn decode<'a>(
    topic: &str,
    payload: &'a [u8],
    hints: &Hints<'_>,
    births: &mut Births,
) -> Result<Decoded<'a>, Rejection> {
    let levels: Vec<_> = topic.split('/').skip_while(|level| *level != NAMESPACE).skip(1).collect();
    let wrong = |detail: String| Rejection::new(Reason::NoDevice, detail);
    let (kind, edge, device) = match levels.as_slice() {
        ["STATE", _] => return Ok(Decoded::NotData("the state of a host application".to_owned())),
        [group, kind, node] => (*kind, format!("{group}/{node}"), None),
        [group, kind, node, device] => (*kind, format!("{group}/{node}"), Some(*device)),
        _ => return Err(wrong(format!("the topic is not {NAMESPACE}/GROUP/TYPE/NODE[/DEVICE]"))),
    };
    let id = device.map_or_else(|| edge.clone(), |device| format!("{edge}/{device}"));
    if id.len() > MAX_DEVICE_ID {
        return Err(wrong(format!("the device's id has {} bytes", id.len())));
    }
    match (kind, device) {
        ("NCMD", None) | ("DCMD", Some(_)) => return Ok(Decoded::NotData("a command".to_owned())),
        ("NBIRTH" | "NDATA" | "NDEATH", None) | ("DBIRTH" | "DDATA" | "DDEATH", Some(_)) => {}
        _ => {
            let shown: String = kind.chars().take(40).collect();
            let with = if device.is_some() { "with" } else { "without" };
            return Err(wrong(format!("no type \"{}\" {with} a device", shown.escape_debug())));
        }
    }
    let most = hints.limits.max_values;
    let address = Address { kind, edge, device, id };
    let outer = Payload::read(payload, most)?;
    let Some(body) = outer.compressed else { return decoded(address.tell(&outer, hints, births)) };
    let body = compressed::unpack(body)?;
    let inner = Payload::read(&body, most)?;
    if inner.compressed.is_some() {
        return Err(Rejection::new(Reason::TooComplex, "a compressed body inside another"));
    }
    let told = address.tell(&inner, hints, births);
    decoded(told.map(|(samples, rest)| (samples.into_iter().map(Sample::into_owned).collect(), rest)))
}

fn decoded(told: Result<Samples<'_>, Rejection>) -> Result<Decoded<'_>, Rejection> {
    match told {
        Ok((samples, rest)) => Ok(Decoded::Samples { samples, rest }),
        Err(refused) if refused.reason == Reason::NotData => Ok(Decoded::NotData(refused.detail)),
        Err(refused) => Err(refused),
    }
}

/// Samples, and why a part of the payload is not among them.
type Samples<'a> = (Vec<Sample<'a>>, Option<Rejection>);

/// What the topic says.
struct Address<'t> {
    kind: &'t str,
    edge: String,
    device: Option<&'t str>,
    id: String,
}

impl Address<'_> {
    /// What a payload to it tells.
    fn tell<'a>(
        self,
        payload: &Payload<'a>,
        hints: &Hints<'_>,
        births: &mut Births,
    ) -> Result<Samples<'a>, Rejection> {
        let Self { kind, edge, device, id } = self;
        let at = payload.timestamp.map(nanoseconds).transpose()?;
        let mut message = Message { hints, told: Vec::new(), rest: None, at };
        let mut missing = 0;
        match (kind, device) {
            ("NDEATH", _) => {
                let Some(devices) = births.node_died(&edge, payload) else {
                    return Err(not_data("the death of an earlier session"));
                };
                let mut samples = vec![status(edge.clone(), false)];
                samples.extend(devices.into_iter().map(|device| status(format!("{edge}/{device}"), false)));
                return Ok((samples, None));
            }
            ("DDEATH", Some(device)) => {
                missing = births.follow(&edge, payload)?;
                births.device_died(&edge, device);
                message.online(false);
            }
            ("NBIRTH", _) => {
                births.node_born(&edge, payload)?;
                message.online(true);
            }
            ("DBIRTH", Some(device)) => {
                births.device_born(&edge, device, &payload.metrics)?;
                missing = births.follow(&edge, payload)?;
                message.online(true);
            }
            _ => missing = births.follow(&edge, payload)?,
        }
        if !kind.ends_with("DEATH") {
            let told = births.told(&edge, device);
            let mut metrics = payload.metrics.iter();
            if let Err(refused) = metrics.try_for_each(|metric| message.metric(metric, told, &edge)) {
                // A birth that does not tell its own datatypes would be no better the next time.
                if refused.reason == Reason::NoBirth && kind.ends_with("DATA") {
                    births.want(&edge);
                }
                return Err(refused);
            }
        }
        message.samples(&id, edge, missing)
    }
}

/// The readings of one message in the making.
struct Message<'a, 'h> {
    hints: &'h Hints<'h>,
    told: Vec<(Option<i64>, Reading<'a>)>,
    /// Why the first that is no reading was left out.
    rest: Option<Rejection>,
    /// The payload's own time.
    at: Option<i64>,
}

impl<'a> Message<'a, '_> {
    fn online(&mut self, online: bool) {
        self.told.push((self.at, reading(Cow::Borrowed("online"), ReadingValue::Boolean(online))));
    }

    fn metric(&mut self, metric: &Metric<'a>, known: Option<&Told>, edge: &str) -> Result<(), Rejection> {
        let at = metric.at;
        let aliased = metric.alias.and_then(|alias| known?.alias(alias));
        let name: Cow<'a, str> = match (metric.name, aliased) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some((name, _))) => Cow::Owned(name.to_owned()),
            (None, None) => {
                let Some(alias) = metric.alias else {
                    let detail = format!("at byte {at}: a metric with neither name nor alias");
                    return Err(Rejection::new(Reason::Malformed, detail));
                };
                return Err(no_birth(at, &format!("the alias {alias} is of no birth of {edge}")));
            }
        };
        let control = name.starts_with("Node Control/") || name.starts_with("Device Control/");
        if metric.transient || control || name == "bdSeq" {
            return Ok(());
        }
        let known = || aliased.map(|(_, datatype)| datatype).or(known.map(|told| told.datatype(&name)));
        let datatype = metric.datatype.filter(|datatype| *datatype > 0).or_else(known).unwrap_or_default();
        let time = metric.timestamp.map(nanoseconds).transpose()?.or(self.at);
        self.value(metric, name, datatype, time, 1)
    }

    fn value(
        &mut self,
        metric: &Metric<'a>,
        name: Cow<'a, str>,
        datatype: u32,
        time: Option<i64>,
        depth: usize,
    ) -> Result<(), Rejection> {
        let at = metric.at;
        if metric.null || matches!(metric.quality, Some(0 | 500)) {
            return self.tell(time, reading(name, ReadingValue::Null));
        }
        let raw = match metric.value {
            None => {
                let detail = format!("at byte {at}: a metric with neither a value nor is_null");
                return Err(Rejection::new(Reason::Malformed, detail));
            }
            Some(Raw::Template(template)) if matches!(datatype, 0 | 19) => {
                return self.template(template, &name, time, depth);
            }
            Some(Raw::Int(_) | Raw::Long(_)) if datatype == 0 => {
                return Err(no_birth(at, "a whole number without a datatype, which a birth would tell"));
            }
            Some(raw) => raw,
        };
        let shown = name.escape_debug();
        let unit = matches!(datatype, DATE_TIME | DATE_TIME_ARRAY).then_some(Cow::Borrowed("ms"));
        match value(raw, datatype, self.hints.limits.max_values) {
            Err(mut wrong) => {
                wrong.detail = format!("at byte {at}: \"{shown}\" {}", wrong.detail);
                Err(wrong)
            }
            Ok(Value::None(what)) => {
                let detail = format!("at byte {at}: \"{shown}\" is {what}, which is not stored");
                self.rest.get_or_insert(Rejection::new(Reason::WrongType, detail));
                Ok(())
            }
            Ok(Value::Many(values)) => {
                for (index, value) in values.into_iter().enumerate() {
                    let name = Cow::Owned(format!("{name}.{index}"));
                    self.tell(time, Reading { unit: unit.clone(), ..reading(name, value) })?;
                }
                Ok(())
            }
            Ok(Value::One(value)) => self.tell(time, Reading { unit, ..reading(name, value) }),
        }
    }

    /// The members of an instance. A definition says how instances look, and nothing was measured.
    fn template(
        &mut self,
        mut template: super::protobuf::Message<'a>,
        outer: &str,
        time: Option<i64>,
        depth: usize,
    ) -> Result<(), Rejection> {
        let most = self.hints.limits.max_depth;
        if depth >= most {
            return Err(Rejection::new(Reason::TooComplex, format!("templates nested deeper than {most}")));
        }
        let mut definition = template;
        while let Some(field) = definition.next()? {
            if field.number == 5 && field.truth()? {
                return Ok(());
            }
        }
        while let Some(field) = template.next()? {
            if field.number != 2 {
                continue;
            }
            let metric = Metric::read(&field)?;
            let Some(name) = metric.name else {
                let detail = format!("at byte {}: a template's member without a name", field.at);
                return Err(Rejection::new(Reason::Malformed, detail));
            };
            let name = format!("{outer}/{name}");
            let own = metric.timestamp.map(nanoseconds).transpose()?.or(time);
            self.value(
                &metric,
                Cow::Owned(name),
                metric.datatype.unwrap_or_default(),
                own,
                depth.saturating_add(1),
            )?;
        }
        Ok(())
    }

    fn tell(&mut self, time: Option<i64>, reading: Reading<'a>) -> Result<(), Rejection> {
        let most = self.hints.limits.max_values;
        if self.told.len() >= most {
            return Err(Rejection::new(Reason::TooComplex, format!("more than {most} values")));
        }
        if reading.name.len() > MAX_NAME {
            let detail = format!("a name of more than {MAX_NAME} bytes");
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        self.told.push((time, reading));
        Ok(())
    }

    /// Readings of one moment together, in order of time.
    fn samples(mut self, id: &str, edge: String, missing: u8) -> Result<Samples<'a>, Rejection> {
        self.told.sort_by_key(|(time, _)| *time);
        let mut samples: Vec<Sample<'a>> = Vec::new();
        for (time, reading) in self.told {
            match samples.last_mut() {
                Some(sample) if sample.time == time => sample.readings.push(reading),
                _ => {
                    let device = Some(Cow::Owned(id.to_owned()));
                    samples.push(Sample { device, time, readings: vec![reading], ..Sample::default() });
                }
            }
        }
        if missing > 0 {
            let lost = reading(Cow::Borrowed("lost"), ReadingValue::Number(missing.into()));
            let device = Some(Cow::Owned(edge));
            samples.push(Sample { device, time: self.at, readings: vec![lost], ..Sample::default() });
        }
        if samples.is_empty() && self.rest.is_none() {
            return Err(not_data("nothing but controls, transient metrics and empty arrays"));
        }
        Ok((samples, self.rest))
    }
}

fn not_data(what: &str) -> Rejection {
    Rejection::new(Reason::NotData, what)
}

fn status(device: String, online: bool) -> Sample<'static> {
    let online = reading(Cow::Borrowed("online"), ReadingValue::Boolean(online));
    Sample { device: Some(Cow::Owned(device)), readings: vec![online], ..Sample::default() }
}

const fn reading<'a>(name: Cow<'a, str>, value: ReadingValue<'a>) -> Reading<'a> {
    Reading { name, value, unit: None, channel: None }
}

fn no_birth(at: usize, what: &str) -> Rejection {
    let mend = "ask the node for a rebirth (\"Node Control/Rebirth\"), then replay";
    Rejection::new(Reason::NoBirth, format!("at byte {at}: {what}; {mend}"))
}

/// Milliseconds since 1970.
fn nanoseconds(milliseconds: u64) -> Result<i64, Rejection> {
    i64::try_from(milliseconds).ok().and_then(|milliseconds| milliseconds.checked_mul(1_000_000)).ok_or_else(
        || Rejection::new(Reason::InvalidTime, format!("{milliseconds} ms since 1970 is not a time")),
    )
}
