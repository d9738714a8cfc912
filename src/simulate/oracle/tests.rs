//! The oracle notices what is missing, doubled, invented or changed, and nothing else.

use super::*;
use crate::simulate::city::tests::publishes;
use crate::simulate::{Misbehaviour, Options, Publish};

/// A log of which everything was acknowledged, and a store and quarantine that did everything right.
fn world() -> (Log, Vec<Row>, Vec<Held>) {
    let (mut log, mut rows, mut held) = (Log::default(), Vec::new(), Vec::new());
    for (number, publish) in publishes(Options::default(), 1_500).into_iter().enumerate() {
        let ticket = log.sent(&publish);
        log.acknowledged(ticket);
        keep(&publish, i64::try_from(number).unwrap(), &mut rows, &mut held);
    }
    (log, rows, held)
}

fn keep(publish: &Publish, receive: i64, rows: &mut Vec<Row>, held: &mut Vec<Held>) {
    let mut quarantine = |reason| {
        held.push(Held {
            topic: publish.topic.clone().into_bytes(),
            payload: publish.payload.clone(),
            reason,
        });
    };
    match &publish.expectation {
        Expectation::Discarded(_) => {}
        Expectation::Quarantined(reason) => quarantine(*reason),
        Expectation::Points { points, rest } => {
            rest.map(&mut quarantine);
            for point in points {
                let ExpectedPoint { measurement, device, time, fields } = point;
                let time = match time {
                    ExpectedTime::Told(time) => *time,
                    ExpectedTime::Receive => receive,
                };
                let delay = [("delay_s".to_owned(), 0.2)];
                rows.extend(fields.iter().chain(&delay).map(|(field, value)| Row {
                    measurement: (*measurement).to_owned(),
                    tags: BTreeMap::from([("device".to_owned(), device.to_string())]),
                    time,
                    field: field.clone(),
                    value: *value,
                }));
            }
        }
    }
}

/// The place of a row with a told or a receive time.
fn place(rows: &[Row], measurement: &str) -> usize {
    rows.iter().position(|row| row.measurement == measurement && !row.field.ends_with("_qc")).unwrap()
}

const TOLD_AND_RECEIVED: [&str; 2] = ["weather", "noise"];

#[test]
fn it_agrees_with_a_store_that_is_right() {
    let (log, mut rows, held) = world();
    // Not evaluated is as good as pass.
    rows.iter_mut().filter(|row| row.field == "occupied_qc").for_each(|row| row.value = 2.0);
    let verdict = judge(&log, rows, held);
    assert!(verdict.agrees(), "{verdict}");
    assert_eq!(verdict.expected, verdict.found);
    assert!(verdict.expected > 5_000 && log.open() == 0);
    let outcomes = log.outcomes();
    assert_eq!(outcomes.total(), 1_500);
    for reason in [Reason::Malformed, Reason::NotFinite, Reason::NoRoute] {
        assert!(outcomes.quarantined.contains_key(&reason), "{reason}");
    }
    assert!(outcomes.partly_stored > 0 && outcomes.discarded.contains_key(&Reason::Empty));
}

#[test]
fn it_notices_a_missing_point() {
    for measurement in TOLD_AND_RECEIVED {
        let (log, mut rows, held) = world();
        rows.remove(place(&rows, measurement));
        let verdict = judge(&log, rows, held);
        assert_eq!((verdict.missing.count, verdict.agrees()), (1, false), "{verdict}");
    }
    let (log, rows, mut held) = world();
    held.pop();
    assert_eq!(judge(&log, rows, held).missing.count, 1);
}

#[test]
fn it_notices_a_doubled_point() {
    for measurement in TOLD_AND_RECEIVED {
        let (log, mut rows, held) = world();
        rows.push(rows[place(&rows, measurement)].clone());
        let verdict = judge(&log, rows, held);
        assert_eq!((verdict.doubled.count, verdict.agrees()), (1, false), "{verdict}");
    }
    let (log, rows, mut held) = world();
    held.push(held[0].clone());
    assert_eq!(judge(&log, rows, held).doubled.count, 1);
}

#[test]
fn it_notices_an_invented_point() {
    for (field, device) in [("air_temperature_c", "nobody"), ("pm25_ugm3", "weather-1")] {
        let (log, mut rows, held) = world();
        let mut row = rows[place(&rows, "weather")].clone();
        row.tags.insert("device".to_owned(), device.to_owned());
        row.field = field.to_owned();
        rows.push(row);
        let verdict = judge(&log, rows, held);
        assert_eq!((verdict.unexpected.count, verdict.agrees()), (1, false), "{verdict}");
    }
    let (log, rows, mut held) = world();
    held[0].reason = Reason::TooComplex;
    let verdict = judge(&log, rows, held);
    assert_eq!((verdict.unexpected.count, verdict.missing.count), (1, 1));
}

#[test]
fn it_notices_a_changed_point() {
    let (log, mut rows, held) = world();
    let place_of_told = place(&rows, "weather");
    rows[place_of_told].value += 0.1;
    let verdict = judge(&log, rows, held);
    assert_eq!((verdict.wrong_value.count, verdict.agrees()), (1, false), "{verdict}");
    // Without a told time, a changed value is one that lacks and one that nobody sent.
    let (log, mut rows, held) = world();
    let place_of_received = place(&rows, "noise");
    rows[place_of_received].value += 0.05;
    let verdict = judge(&log, rows, held);
    assert_eq!((verdict.missing.count, verdict.unexpected.count), (1, 1), "{verdict}");
}

#[test]
fn without_an_acknowledgement_both_are_right() {
    let all = publishes(Options::default(), 600);
    let noise = all.iter().find(|publish| publish.misbehaviour == Some(Misbehaviour::Burst)).unwrap();
    let (mut log, mut rows, mut held) = (Log::default(), Vec::new(), Vec::new());
    let ticket = log.sent(noise);
    assert!(judge(&log, [], []).agrees());
    keep(noise, 1, &mut rows, &mut held);
    assert!(judge(&log, rows.clone(), []).agrees());
    log.sent_again(ticket);
    log.acknowledged(ticket);
    assert!(!judge(&log, [], []).agrees());
    keep(noise, 2, &mut rows, &mut held);
    assert!(judge(&log, rows.clone(), []).agrees(), "sent twice, stored twice");
    keep(noise, 3, &mut rows, &mut held);
    assert!(!judge(&log, rows, []).agrees());
}

#[test]
fn the_tally_counts_messages_and_each_has_one_place() {
    let (log, rows, held) = world();
    let all = tally(&log, &rows, &held);
    assert_eq!((all.acknowledged, all.lost, all.doubled, all.repeated), (1_500, 0, 0, 0), "{all:?}");
    assert_eq!(all.stored + all.quarantined + all.discarded, 1_500);
    assert!(all.flagged > 0 && all.quarantined > 0 && all.discarded > 0, "{all:?}");
    assert!(all.to_string().starts_with("acknowledged 1500, stored "), "{all}");
}

#[test]
fn the_tally_notices_a_lost_or_doubled_message_with_and_without_an_own_time() {
    for measurement in TOLD_AND_RECEIVED {
        let (log, mut rows, held) = world();
        let at = place(&rows, measurement);
        // The same point once more: at another time where nobody told the time, else under another site.
        let mut again: Vec<Row> = rows
            .iter()
            .filter(|row| row.time == rows[at].time && row.tags == rows[at].tags)
            .cloned()
            .collect();
        for row in &mut again {
            row.tags.insert("site".to_owned(), "elsewhere".to_owned());
            row.time += i64::from(measurement == "noise") * 1_000_000;
        }
        rows.extend(again);
        let doubled = tally(&log, &rows, &held);
        assert_eq!((doubled.lost, doubled.doubled), (0, 1), "{doubled:?}");
        rows.remove(at);
        let (log, mut rows, held) = world();
        rows.remove(place(&rows, measurement));
        let lost = tally(&log, &rows, &held);
        assert_eq!((lost.lost, lost.doubled), (1, 0), "{measurement}: one field lacks: {lost:?}");
    }
    let (log, rows, mut held) = world();
    let last = held.pop().unwrap();
    assert_eq!(tally(&log, &rows, &held).lost, 1);
    held.extend([last.clone(), last]);
    assert_eq!(tally(&log, &rows, &held).doubled, 1);
}

#[test]
fn a_message_sent_again_may_be_there_twice_but_hides_no_other_that_is_lost() {
    let all = publishes(Options::default(), 600);
    let noise: Vec<_> =
        all.iter().filter(|publish| publish.misbehaviour == Some(Misbehaviour::Burst)).take(2).collect();
    let (mut log, mut rows, mut held) = (Log::default(), Vec::new(), Vec::new());
    for publish in &noise {
        let ticket = log.sent(publish);
        log.acknowledged(ticket);
    }
    log.sent_again(0);
    keep(noise[0], 1, &mut rows, &mut held);
    keep(noise[0], 2, &mut rows, &mut held);
    let one = tally(&log, &rows, &held);
    assert_eq!((one.stored, one.lost, one.doubled, one.repeated), (1, 1, 0, 1), "{one:?}");
    keep(noise[1], 3, &mut rows, &mut held);
    let both = tally(&log, &rows, &held);
    assert_eq!((both.stored, both.lost, both.doubled, both.repeated), (2, 0, 0, 1), "{both:?}");
    // The second one was sent once only.
    keep(noise[1], 4, &mut rows, &mut held);
    assert_eq!(tally(&log, &rows, &held).doubled, 1);
    // Without an acknowledgement it may lack, or be there once.
    let mut log = Log::default();
    log.sent(noise[0]);
    let (mut rows, mut held) = (Vec::new(), Vec::new());
    assert_eq!(tally(&log, &rows, &held), Tally::default());
    keep(noise[0], 1, &mut rows, &mut held);
    assert_eq!(tally(&log, &rows, &held), Tally::default());
    keep(noise[0], 2, &mut rows, &mut held);
    assert_eq!(tally(&log, &rows, &held).doubled, 1);
}

#[test]
fn of_two_values_at_one_time_the_later_stands_unless_one_was_sent_again() {
    let reading = |value: f64| {
        let point = ExpectedPoint {
            measurement: "water_level",
            device: "twice".into(),
            time: ExpectedTime::Told(7),
            fields: vec![("water_level_m".to_owned(), value)],
        };
        let expectation = Expectation::Points { points: vec![point], rest: None };
        let (topic, payload) = ("t".to_owned(), Vec::new());
        Publish { topic, payload, qos: 1, retain: false, misbehaviour: None, expectation }
    };
    let stands = |log: &Log, value: f64| {
        let (mut rows, mut held) = (Vec::new(), Vec::new());
        keep(&reading(value), 0, &mut rows, &mut held);
        judge(log, rows, held).agrees()
    };
    let mut log = Log::default();
    for value in [0.6, 0.7] {
        let ticket = log.sent(&reading(value));
        log.acknowledged(ticket);
    }
    assert!(stands(&log, 0.7) && !stands(&log, 0.6) && !stands(&log, 0.8));
    assert!(!judge(&log, [], []).agrees(), "one of them must be there");
    let mut repeated = Log::default();
    for value in [0.6, 0.7] {
        let ticket = repeated.sent(&reading(value));
        repeated.acknowledged(ticket);
    }
    repeated.sent_again(0);
    assert!(stands(&repeated, 0.7) && stands(&repeated, 0.6) && !stands(&repeated, 0.8));
    log.lost_by_the_broker(1);
    assert!(stands(&log, 0.7) && stands(&log, 0.6));
    assert_eq!((log.standing(1), log.standing(2)), (Some((false, 1)), None));
    assert_eq!((log.outcomes().total(), log.outcomes_at_most().total()), (1, 2));
}
