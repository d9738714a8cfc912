//! The latest value of every field of the devices heard last, fed with accepted lines.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;

use crate::sink::embedded::{pairs, parts, series, unescape};

/// Series that are remembered; beyond it those heard longest ago go.
const SERIES: usize = 2048;
/// How many go at once, so that a flood of new devices does not search for the oldest each time.
const GO_AT_ONCE: usize = 128;
/// Fields of one series.
const FIELDS: usize = 32;
/// A longer series or name of a field is not remembered.
const NAME: usize = 512;
/// Values of a sparkline.
const TRAIL: usize = 30;
/// QARTOD's flags that an operator is told of even where the value is not shown.
const SUSPECT: i64 = 3;
const FAIL: i64 = 4;
/// Told beside a value, not a value.
const DELAY: &str = "delay_s";

#[derive(Debug, Default)]
pub struct Latest(HashMap<Box<str>, Series>);

#[derive(Debug)]
struct Series {
    measurement: String,
    tags: BTreeMap<String, String>,
    /// Unix time in nanoseconds of the last accepted write.
    heard: i64,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    /// As it stands in the line, escaped.
    name: Box<str>,
    value: f64,
    /// 0 where none was told.
    flag: i64,
    time: i64,
    trail: VecDeque<f32>,
}

/// What is asked for; unset parts let all through.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub struct Ask {
    pub city: Option<String>,
    pub district: Option<String>,
    pub device: Option<String>,
    pub limit: Option<usize>,
}

/// What is answered.
#[derive(Debug, Serialize)]
pub struct Answer {
    now_ms: i64,
    /// How many series are remembered, and how many fit what was asked; `series` may hold fewer.
    known: usize,
    found: usize,
    districts: Vec<District>,
    series: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct District {
    city: String,
    district: String,
    series: usize,
    /// Values with these flags, also of series that are not shown.
    suspect: usize,
    fail: usize,
}

#[derive(Debug, Serialize)]
struct Shown {
    city: String,
    district: String,
    site: String,
    device: String,
    measurement: String,
    channel: Option<String>,
    heard_ms: i64,
    values: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct Value {
    field: String,
    value: f64,
    /// QARTOD: 1 pass, 2 not evaluated, 3 suspect, 4 fail; nothing where the field has none.
    flag: Option<i64>,
    time_ms: i64,
    trail: Vec<f32>,
}

/// What one district has.
#[derive(Debug, Default)]
struct Tally {
    series: usize,
    suspect: usize,
    fail: usize,
}

impl Tally {
    fn add(&mut self, series: &Series) {
        let flagged = |flag| series.fields.iter().filter(|field| field.flag == flag).count();
        self.series += 1;
        self.suspect += flagged(SUSPECT);
        self.fail += flagged(FAIL);
    }
}

impl Latest {
    /// A line that the database has accepted. `now` is Unix time in nanoseconds.
    pub fn stored(&mut self, line: &str, now: i64) {
        let Some((name, fields, time)) = parts(line) else { return };
        if !self.0.contains_key(name) && !self.begin(name, now) {
            return;
        }
        let Some(series) = self.0.get_mut(name) else { return };
        series.heard = now;
        for (name, text) in pairs(fields) {
            series.take(name, text, time);
        }
    }

    fn begin(&mut self, name: &str, now: i64) -> bool {
        if name.len() > NAME {
            return false;
        }
        let Some((measurement, tags)) = series(name) else { return false };
        if self.0.len() >= SERIES {
            let mut heard: Vec<_> = self.0.values().map(|series| series.heard).collect();
            let (_, limit, _) = heard.select_nth_unstable(GO_AT_ONCE);
            let (limit, mut left) = (*limit, GO_AT_ONCE);
            self.0.retain(|_, series| {
                let goes = left > 0 && series.heard <= limit;
                left -= usize::from(goes);
                !goes
            });
        }
        let new = Series { measurement, tags: tags.into_iter().collect(), heard: now, fields: Vec::new() };
        self.0.insert(name.into(), new);
        true
    }

    pub fn ask(&self, ask: &Ask, now: i64) -> Answer {
        let fits =
            |wanted: &Option<String>, told: &str| wanted.as_deref().is_none_or(|wanted| wanted == told);
        let (mut districts, mut found) = (BTreeMap::<_, Tally>::new(), Vec::new());
        for series in self.0.values() {
            let (city, district) = (series.tag("city"), series.tag("district"));
            districts.entry((city, district)).or_default().add(series);
            if fits(&ask.city, city) && fits(&ask.district, district) && fits(&ask.device, series.device()) {
                found.push(series);
            }
        }
        found.sort_by_key(|series| {
            (series.tag("city"), series.tag("district"), series.device(), &series.measurement, &series.tags)
        });
        let limit = ask.limit.unwrap_or(SERIES).min(SERIES);
        let district = |((city, district), tally): ((&str, &str), Tally)| District {
            city: city.to_owned(),
            district: district.to_owned(),
            series: tally.series,
            suspect: tally.suspect,
            fail: tally.fail,
        };
        Answer {
            now_ms: now / 1_000_000,
            known: self.0.len(),
            found: found.len(),
            districts: districts.into_iter().map(district).collect(),
            series: found.into_iter().take(limit).map(Series::shown).collect(),
        }
    }
}

impl Series {
    fn take(&mut self, name: &str, text: &str, time: i64) {
        if name == DELAY {
            return;
        }
        if let Some(base) = name.strip_suffix("_qc")
            && let Some(Ok(flag)) = text.strip_suffix('i').map(str::parse)
        {
            // The flag stands after the value it judges.
            let field = self.fields.iter_mut().find(|field| &*field.name == base && field.time == time);
            return field.map_or((), |field| field.flag = flag);
        }
        let value = match text {
            "t" | "true" => 1.0,
            "f" | "false" => 0.0,
            _ => match text.strip_suffix('i').unwrap_or(text).parse::<f64>() {
                Ok(value) => value,
                Err(_) => return,
            },
        };
        let name = name.strip_suffix("_failed").unwrap_or(name);
        let at = match self.fields.iter().position(|field| &*field.name == name) {
            Some(at) => at,
            None if self.fields.len() >= FIELDS || name.len() > NAME => return,
            None => {
                let trail = VecDeque::new();
                self.fields.push(Field { name: name.into(), value, flag: 0, time: i64::MIN, trail });
                self.fields.len() - 1
            }
        };
        let Some(field) = self.fields.get_mut(at).filter(|field| field.time <= time) else { return };
        if field.trail.len() >= TRAIL {
            field.trail.pop_front();
        }
        #[expect(clippy::cast_possible_truncation, reason = "a sparkline needs no more")]
        field.trail.push_back(value as f32);
        (field.value, field.flag, field.time) = (value, 0, time);
    }

    fn tag(&self, key: &str) -> &str {
        self.tags.get(key).map_or("", String::as_str)
    }

    /// Where names are kept as sent there may be no such tag.
    fn device(&self) -> &str {
        ["device", "topic"].iter().find_map(|key| self.tags.get(*key)).unwrap_or(&self.measurement)
    }

    fn shown(&self) -> Shown {
        let value = |field: &Field| Value {
            field: unescape(&field.name),
            value: field.value,
            flag: (field.flag != 0).then_some(field.flag),
            time_ms: field.time / 1_000_000,
            trail: field.trail.iter().copied().collect(),
        };
        Shown {
            city: self.tag("city").to_owned(),
            district: self.tag("district").to_owned(),
            site: self.tag("site").to_owned(),
            device: self.device().to_owned(),
            measurement: self.measurement.clone(),
            channel: self.tags.get("channel").cloned(),
            heard_ms: self.heard / 1_000_000,
            values: self.fields.iter().map(value).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(latest: &Latest, ask: &Ask) -> serde_json::Value {
        serde_json::to_value(latest.ask(ask, 9_000_000)).unwrap()
    }

    #[test]
    fn the_newest_value_stands_with_its_flag_and_an_older_one_changes_nothing() {
        let mut latest = Latest::default();
        let series = r"water_level,city=pasuruan,device=wl-1,district=Bugul\ Kidul,site=a";
        latest.stored(&format!("{series} water_level_m=1.5,water_level_m_qc=1i,delay_s=2 2000000"), 1);
        latest.stored(
            &format!("{series} water_level_m_failed=99,water_level_m_qc=4i,text=\"a=1,b\" 3000000"),
            2,
        );
        latest.stored(&format!("{series} water_level_m=1.1,water_level_m_qc=1i 1000000"), 3);
        let told = told(&latest, &Ask::default());
        let shown = &told["series"][0];
        assert_eq!(
            shown["values"],
            serde_json::json!([{"field": "water_level_m", "value": 99.0, "flag": 4, "time_ms": 3, "trail": [1.5, 99.0]}])
        );
        assert_eq!((&shown["device"], &shown["district"]), (&"wl-1".into(), &"Bugul Kidul".into()));
        let district = &told["districts"][0];
        assert_eq!(
            (&district["series"], &district["fail"], &district["suspect"]),
            (&1.into(), &1.into(), &0.into())
        );
    }

    #[test]
    fn every_district_is_told_with_its_flags_however_few_series_are_shown() {
        let mut latest = Latest::default();
        for number in 0..300 {
            latest.stored(&format!("noise,city=x,device=a{number},district=a v=1,v_qc=1i 1"), 1);
        }
        latest.stored("noise,city=x,device=b1,district=b v=1,v_qc=3i 1", 1);
        let told = told(&latest, &Ask { limit: Some(200), ..Ask::default() });
        assert!(told["series"].as_array().unwrap().iter().all(|series| series["district"] == "a"));
        assert_eq!(
            told["districts"],
            serde_json::json!([
                {"city": "x", "district": "a", "series": 300, "suspect": 0, "fail": 0},
                {"city": "x", "district": "b", "series": 1, "suspect": 1, "fail": 0},
            ])
        );
    }

    #[test]
    fn one_asks_by_district_and_device() {
        let mut latest = Latest::default();
        for (district, device) in [("a", "1"), ("a", "2"), ("b", "3")] {
            latest.stored(&format!("noise,city=x,device={device},district={district} v=1 1"), 1);
        }
        let count = |ask: Ask| told(&latest, &ask)["found"].clone();
        assert_eq!(count(Ask { district: Some("a".into()), ..Ask::default() }), 2);
        assert_eq!(count(Ask { device: Some("3".into()), ..Ask::default() }), 1);
        assert_eq!(count(Ask { city: Some("y".into()), ..Ask::default() }), 0);
        let few = told(&latest, &Ask { limit: Some(1), ..Ask::default() });
        assert_eq!((few["series"].as_array().unwrap().len(), &few["found"]), (1, &3.into()));
    }

    #[test]
    fn memory_is_bounded_and_those_heard_longest_ago_go() {
        let mut latest = Latest::default();
        let all = i64::try_from(SERIES).unwrap() + 500;
        for device in 0..all {
            latest.stored(&format!("noise,device={device} v=1 1"), device);
        }
        assert!(latest.0.len() <= SERIES && latest.0.len() > SERIES - GO_AT_ONCE);
        let has = |device: i64| latest.0.contains_key(format!("noise,device={device}").as_str());
        assert!(has(all - 1) && has(all - 1000) && !has(0) && !has(400));
        let fields: Vec<_> = (0..100).map(|number| format!("f{number}=1")).collect();
        latest.stored(&format!("wide {} 1", fields.join(",")), all);
        assert_eq!(latest.0["wide"].fields.len(), FIELDS);
        latest.stored(&format!("{} v=1 1", "x".repeat(600)), all);
        for wrong in ["", "a", "a b", "a b=1", "a b=1 x", "a,=\\ v=\" 1"] {
            latest.stored(wrong, 1);
        }
        assert!(latest.0.keys().all(|name| name.len() <= NAME));
    }
}
