//! Crash images: every prefix of a recorded run, with any part of what was not synced.

use super::*;

/// Each moment of a run: what can be left of the disk opens, has all that was acknowledged, and takes more.
fn every_crash(seed: u64, faults: f64, steps: usize, each: u64) -> usize {
    let mut run = Machine::new(seed, faults);
    (0..steps).for_each(|_| run.step());
    let (log, mut events) = (run.disk.log(), run.events.iter().peekable());
    let (mut crash, mut model) = (Crash::default(), Model { quota: run.model.quota, ..Model::default() });
    let (mut rng, mut images) = (Rng::with_seed(seed), 0);
    for done in 0..=log.len() {
        if let Some(operation) = done.checked_sub(1).map(|at| &log[at]) {
            crash.after(operation);
        }
        // What was noted before the next operation holds now; what is said once it is done does not yet.
        while let Some((_, event)) = events.next_if(|(at, _)| *at <= done) {
            model.note(event);
        }
        for image in crash.images(each, &mut rng) {
            images += 1;
            goes_on(&image, &model, &run.runtime, seed, done);
        }
    }
    images
}

fn goes_on(image: &MemoryDisk, model: &Model, runtime: &tokio::runtime::Runtime, seed: u64, done: usize) {
    let said = Said(seed, done);
    let mut life = Life::start(image, model.quota, |_, _| {});
    life.check(image, model, runtime);
    let seq = life.journal.end();
    assert!(model.acknowledged.last_key_value().is_none_or(|(last, _)| *last < seq), "{seq} is given twice");
    let mut pending = life.journal.try_append(message(seq, u32::MAX)).unwrap();
    assert!(life.writer.turn());
    assert_eq!(pending.try_now().unwrap().unwrap().seq(), seq);
    let mut model = model.clone();
    model.note(&Event::Appending(seq, u32::MAX));
    model.note(&Event::Acknowledged(seq, u32::MAX));
    model.note(&Event::SavedCursor(life.position));
    model.note(&Event::SavingCursor(life.position));
    drop(life);
    Life::start(image, model.quota, |_, _| {}).check(image, &model, runtime);
    std::mem::forget(said);
}

/// Tells where a failure was, so that it can be made again.
struct Said(u64, usize);

impl Drop for Said {
    fn drop(&mut self) {
        eprintln!("crash image of seed {} after {} operations", self.0, self.1);
    }
}

#[test]
fn whatever_a_power_cut_leaves_opens_has_all_that_was_acknowledged_and_takes_more() {
    let long = if std::env::var("NADIKOTA_LONG").is_ok_and(|value| value == "1") { 20 } else { 1 };
    let (mut images, mut seed) = (0, 0);
    while images < 20_000 * long {
        // Without faults, and with them: then more is in doubt at once.
        let faults = if seed % 2 == 0 { 0.0 } else { 0.08 };
        images += every_crash(seed, faults, 30, 40);
        seed += 1;
    }
    println!("{images} crash images of {seed} runs");
}
