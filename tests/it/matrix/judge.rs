//! The oracle of the matrix: what the publisher and the wire saw against database, quarantine and account.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use nadikota::outcome::Outcomes;
use nadikota::simulate::oracle::{self, Tally, Verdict};
use serde_json::Value;

use super::super::support::city;
use super::load::Published;
use super::wire::Seen;
use super::world::World;

/// What a row came to.
#[derive(Debug, Default)]
pub struct Judgement {
    pub published: u64,
    pub unacknowledged: u64,
    pub kills: u32,
    /// The publisher had no PUBACK and sent again.
    pub sent_again: u64,
    /// Acknowledged by the broker to the publisher, and never handed to us, or never acknowledged by us.
    pub lost_by_the_broker: u64,
    /// Handed to us as a new message although nobody sent it so often, or after our PUBACK.
    pub repeated_by_the_broker: u64,
    /// Messages that the journal's damage took, as the account tells.
    pub damaged: u64,
    pub overwritten: Option<u64>,
    pub redelivered: u64,
    pub verdict: Verdict,
    pub tally: Tally,
    pub account: Value,
    /// Where the account differs from what was sent.
    pub complaints: Vec<String>,
}

impl Judgement {
    /// What is not where it must be: values; where the journal was damaged, messages beyond those that the account
    /// itself tells. (The tally knows no overwriting, so such a world has no device with two values at one time.)
    pub fn lost(&self) -> u64 {
        if self.damaged == 0 {
            self.verdict.missing.count
        } else {
            self.tally.lost.saturating_sub(self.damaged)
        }
    }

    pub fn doubled(&self) -> u64 {
        self.verdict.doubled.count.max(self.tally.doubled)
    }

    /// There without having been sent, or with other values.
    pub fn invented(&self) -> u64 {
        self.verdict.unexpected.count + self.verdict.wrong_value.count
    }

    pub fn right(&self) -> bool {
        self.lost() + self.doubled() + self.invented() == 0 && self.complaints.is_empty()
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} published, {} sent again, {} without a PUBACK; the broker lost {} and repeated {}; {} redeliveries, \
             {} overwritten, {} damaged; {}",
            self.published,
            self.sent_again,
            self.unacknowledged,
            self.lost_by_the_broker,
            self.repeated_by_the_broker,
            self.redelivered,
            self.overwritten.map_or("?".to_owned(), |count| count.to_string()),
            self.damaged,
            self.verdict,
        )?;
        if !self.right() {
            write!(f, "\n{}\n{:?}\n{:?}", self.account, self.complaints, self.tally)?;
        }
        Ok(())
    }
}

/// Judges what is there. Everything must be settled.
pub fn judge(world: &World, published: &mut Published, account: Value) -> Judgement {
    let wire = world.wire.tap(|tap| (tap.seen(world.broker_began), tap.publishes, tap.pubacks));
    let (lost, repeated) = if world.setup.broker_suffers { share(published, &wire.0) } else { (0, 0) };
    let log = &published.log;
    let (least, most_of) = (log.outcomes(), log.outcomes_at_most());
    let (rows, held) = city::found(&world.database, &world.nadikota.data_dir(), || world.nadikota.health());
    let count = |name: &str| account["discarded"][name].as_u64().unwrap_or(0);
    let mut judgement = Judgement {
        published: u64::try_from(log.len()).expect("a count"),
        unacknowledged: u64::try_from(log.open()).expect("a count") - lost,
        kills: world.deaths,
        sent_again: log.repeats() - repeated,
        lost_by_the_broker: lost,
        repeated_by_the_broker: repeated,
        damaged: count("journal_damage"),
        redelivered: count("redelivery"),
        overwritten: world.metric("nadikota_overwritten_points_total"),
        tally: oracle::tally(log, &rows, &held),
        verdict: oracle::judge(log, rows, held),
        ..Judgement::default()
    };
    let mut complaints = Vec::new();
    let mut complain = |right: bool, text: String| complaints.extend((!right).then_some(text));
    let received = account["received"].as_u64().expect("a number");
    let (handed, pubacks) = (wire.1, wire.2);
    // Damage may have taken the newest numbers: as many as can have been there count as given.
    let most = handed.saturating_add(world.damaged.unwrap_or(0));
    complain(
        (pubacks..=most).contains(&received),
        format!("received {received}, though {handed} were handed over and {pubacks} acknowledged"),
    );
    complain(
        judgement.damaged <= world.damaged.unwrap_or(0),
        format!("{} messages told as damaged, {:?} can be", judgement.damaged, world.damaged),
    );
    for (name, least, counted, most) in compare(&least, &account, &most_of) {
        let least = least.saturating_sub(judgement.damaged);
        complain(
            (least..=most).contains(&counted),
            format!("{name}: {counted} in the account, must be {least} to {most}"),
        );
    }
    // Counted since the last start only, and only where both values met in one batch.
    if world.deaths == 0 && world.setup.mix.twice && !world.setup.broker_suffers {
        let twice = judgement.published / 20 + 1;
        let counted = judgement.overwritten.unwrap_or(0);
        complain((1..=twice).contains(&counted), format!("overwritten {counted}, must be 1 to {twice}"));
    }
    judgement.complaints = complaints;
    judgement.account = account;
    judgement
}

/// Each outcome: at least, in the account, at most.
fn compare(least: &Outcomes, account: &Value, most: &Outcomes) -> Vec<(String, u64, u64, u64)> {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mut all = vec![
        ("stored".to_owned(), least.stored, number(&account["stored"]), most.stored),
        (
            "partly_stored".to_owned(),
            least.partly_stored,
            number(&account["partly_stored"]),
            most.partly_stored,
        ),
        (
            "quarantined".to_owned(),
            least.quarantined_total(),
            number(&account["quarantined"]),
            most.quarantined_total(),
        ),
    ];
    let told = |name: &str| -> BTreeMap<String, u64> {
        let object = account[name].as_object().expect("reasons");
        object.iter().map(|(reason, count)| (reason.clone(), number(count))).collect()
    };
    let of = |reasons: &BTreeMap<nadikota::outcome::Reason, u64>| -> BTreeMap<String, u64> {
        reasons.iter().map(|(reason, count)| (reason.to_string(), *count)).collect()
    };
    for (name, least, most) in [
        ("quarantined_by_reason", of(&least.quarantined), of(&most.quarantined)),
        ("discarded", of(&least.discarded), of(&most.discarded)),
    ] {
        let counted = told(name);
        let mut reasons: Vec<_> = counted.keys().chain(least.keys()).chain(most.keys()).collect();
        reasons.sort();
        reasons.dedup();
        for reason in
            reasons.into_iter().filter(|reason| !["redelivery", "journal_damage"].contains(&reason.as_str()))
        {
            let of = |counts: &BTreeMap<String, u64>| counts.get(reason).copied().unwrap_or(0);
            all.push((format!("{name} {reason}"), of(&least), of(&counted), of(&most)));
        }
    }
    all
}

/// What a broker that was killed or restarted has lost or repeated, by what was seen on the wire: taken out of the
/// log, so that the rest must be there to the last message. What it has handed over since it was last started is not
/// lost by it, whether we acknowledged it or not.
fn share(published: &mut Published, seen: &HashMap<u64, Seen>) -> (u64, u64) {
    let mut tickets: HashMap<u64, Vec<u64>> = HashMap::new();
    for (ticket, key) in (0..).zip(&published.keys) {
        tickets.entry(*key).or_default().push(ticket);
    }
    let (mut lost, mut repeated) = (0, 0);
    for (key, tickets) in tickets {
        let seen = seen.get(&key).copied().unwrap_or_default();
        let standing = |ticket: &u64| published.log.standing(*ticket).expect("its entry");
        let (mut acknowledged, mut sends): (Vec<u64>, u64) = (Vec::new(), 0);
        for ticket in &tickets {
            let (is, times) = standing(ticket);
            sends += u64::from(times);
            acknowledged.extend(is.then_some(*ticket));
        }
        let missing =
            u64::try_from(acknowledged.len()).expect("a count").saturating_sub(seen.acknowledged + seen.owed);
        for ticket in acknowledged.iter().rev().take(usize::try_from(missing).expect("a count")) {
            published.log.lost_by_the_broker(*ticket);
        }
        lost += missing;
        let more = seen.instances.saturating_sub(sends) + seen.again;
        for _ in 0..more {
            published.log.sent_again(tickets[0]);
        }
        repeated += more;
    }
    (lost, repeated)
}

/// What decides every row must be able to say no.
#[test]
fn the_oracle_notices_what_is_lost_doubled_or_invented_and_an_account_that_lies() {
    let mut world = World::start(super::world::Setup::new(1, "5"));
    world.moves_on(500);
    let (mut published, account) = super::play::close(&mut world);
    let mut judge = |account: &Value| judge(&world, &mut published, account.clone());
    let first = judge(&account);
    assert!(first.right() && first.verdict.expected > 1000, "{first}");
    for name in ["received", "stored", "quarantined"] {
        let mut lie = account.clone();
        lie[name] = (account[name].as_u64().expect("a number") + 1).into();
        let told = judge(&lie);
        assert!(!told.right() && !told.complaints.is_empty(), "{name}: {told}");
    }
    let lines = |lines: &str| assert_eq!(world.database.write(lines).status, 204);
    lines("noise,device=tetap-01 laeq_dba=55.5,laeq_dba_qc=1i 7\n");
    let doubled = judge(&account);
    assert_eq!((doubled.doubled(), doubled.lost(), doubled.invented()), (2, 0, 0), "{doubled}");
    world.database.query("DELETE FROM noise WHERE time = 7");
    assert!(judge(&account).right());
    lines("noise,device=tetap-01 laeq_dba=56 7\n");
    assert_eq!(judge(&account).invented(), 1);
    world.database.query("DELETE FROM noise WHERE time = 7");
    world.database.query("DELETE FROM water_level WHERE device = 'ganda-01'");
    let lost = judge(&account);
    assert!(lost.lost() > 20 && !lost.right(), "{lost}");
}
