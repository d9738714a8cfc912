//! The model test: random work, faults, kills and power cuts, in many short runs.

use super::*;

#[test]
fn random_work_with_faults_kills_and_power_cuts_keeps_every_promise() {
    let long = if std::env::var("NADIKOTA_LONG").is_ok_and(|value| value == "1") { 20 } else { 1 };
    let first = std::env::var("NADIKOTA_SEED")
        .map_or_else(|_| fastrand::u64(..u64::MAX / 2), |seed| seed.parse().unwrap());
    println!("seeds from {first}");
    for seed in first..first + 10_000 * long {
        let said = Seed(seed);
        let mut rng = Rng::with_seed(seed);
        let faults = [0.0, 0.02, 0.2][rng.usize(..3)];
        let mut run = Machine::new(seed, faults);
        for _ in 0..2 {
            (0..rng.usize(1..6)).for_each(|_| run.step());
            let mut crash = run.base.clone();
            run.disk.log().iter().for_each(|operation| crash.after(operation));
            run.power_cut(&crash);
        }
        std::mem::forget(said);
    }
}

struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        eprintln!("model test of seed {}", self.0);
    }
}
