//! What is void: messages that are judged again because a worker or a cursor went back.

use super::*;

#[test]
fn what_a_worker_put_and_judges_again_when_it_begins_anew_stands_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 1);
    let put = |seq, destination| quarantine.put(&[held(seq, destination, Reason::NoRoute)]).unwrap();
    (1..=3).for_each(|seq| put(seq, "main"));
    put(3, "second");
    quarantine.begin_anew("main", 2);
    (2..=4).for_each(|seq| put(seq, "main"));
    assert_eq!(seqs(dir.path(), &Filter::default()), [1, 3, 2, 3, 4]);
    assert_eq!(quarantine.counts().held, 5);
    drop(quarantine);
    let again = open(dir.path(), &Config::default(), Arc::new(RealDisk), 5);
    assert_eq!(again.counts().held, 5);
}

#[test]
fn a_write_of_a_worker_that_is_gone_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 1);
    let put = |owner: &Arc<()>, seq| {
        let owner = Arc::downgrade(owner);
        let quarantine = &quarantine;
        move || quarantine.put_for(&owner, &[held(seq, "main", Reason::NoRoute)]).unwrap()
    };
    let (first, second) = (Arc::default(), Arc::default());
    put(&first, 1)();
    // It was on its way when its worker was given up, and comes behind the mark.
    let late = put(&first, 2);
    drop(first);
    quarantine.begin_anew("main", 1);
    late();
    put(&second, 1)();
    put(&second, 2)();
    assert_eq!(seqs(dir.path(), &Filter::default()), [1, 2]);
    assert_eq!(quarantine.counts().held, 2);
}

#[test]
fn a_cursor_that_fell_back_makes_void_what_moved_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 3);
    quarantine.put(&[held(1, "main", Reason::NoRoute), held(2, "main", Reason::NoRoute)]).unwrap();
    let both = [1, 2].map(|seq| mv(1, seq, NO_ROUTE, Outcome::Stored));
    quarantine.put(&[held(3, "main", Reason::NoRoute)]).unwrap();
    quarantine.record(&both).unwrap();
    drop(quarantine);
    // Message 2 and 3 are judged again.
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 2);
    assert_eq!(account(&quarantine, &[NO_ROUTE]).stored, 1);
    quarantine.put(&[held(2, "main", Reason::NoRoute)]).unwrap();
    assert_eq!(seqs(dir.path(), &Filter::default()), [2]);
    drop(quarantine);
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 3);
    assert_eq!((account(&quarantine, &[NO_ROUTE; 2]).stored, quarantine.counts().held), (1, 1));
}

#[test]
fn whichever_byte_of_a_void_mark_is_damaged_what_it_made_void_stays_void() {
    let whole = tempfile::tempdir().unwrap();
    let quarantine = open(whole.path(), &Config::default(), Arc::new(RealDisk), 1);
    quarantine.put(&[held(1, "main", Reason::NoRoute), held(2, "main", Reason::NoRoute)]).unwrap();
    quarantine.put(&[held(2, "other", Reason::NoRoute)]).unwrap();
    drop(quarantine);
    // Both messages are judged again at both destinations, and stored.
    let positions = ["main", "other"].map(|name| (name.to_owned(), 1)).into();
    let (clock, _) = Clock::fixed(1_000_000_000_000);
    let disk = Arc::new(RealDisk);
    let quarantine = Quarantine::open(whole.path(), &Config::default(), disk, clock, &positions).unwrap();
    let [first, marks] = [1, 2].map(|number| std::fs::read(segment::path(whole.path(), number, 0)).unwrap());
    quarantine.put(&[held(3, "main", Reason::NoRoute)]).unwrap();
    drop(quarantine);
    let second = std::fs::read(segment::path(whole.path(), 2, 0)).unwrap();
    let marked = marks.len();
    assert!(marked > 160 && second.len() > marked);
    for at in 0..marked {
        for flip in [0x01, 0x80] {
            let dir = tempfile::tempdir().unwrap();
            let mut harmed = second.clone();
            harmed[at] ^= flip;
            std::fs::write(segment::path(dir.path(), 1, 0), &first).unwrap();
            std::fs::write(segment::path(dir.path(), 2, 0), &harmed).unwrap();
            assert_eq!(seqs(dir.path(), &Filter::default()), [3], "byte {at}");
            let again = open(dir.path(), &Config::default(), Arc::new(RealDisk), 4);
            assert_eq!(again.counts().held, 1, "byte {at}");
        }
    }
}
