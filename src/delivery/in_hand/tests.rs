//! Deaths, who is blamed for them, and what is forgotten.

use super::*;
use crate::journal::disk::RealDisk;

/// A delivery that takes groups of `each` up to message 40 and dies where `deadly` says so; whether it lived.
fn life(dir: &Path, each: u64, mut deadly: impl FnMut(u64) -> bool) -> (bool, InHand) {
    let mut in_hand = InHand::open(dir, "main", 1, &RealDisk);
    for first in (1..=40).step_by(usize::try_from(each).unwrap()) {
        let last = first + each - 1;
        in_hand.takes(last);
        for seq in first..=last {
            if in_hand.is_culprit(seq) {
                continue;
            }
            in_hand.enters(seq);
            if deadly(seq) {
                return (false, in_hand);
            }
        }
        in_hand.left();
    }
    (true, in_hand)
}

fn deaths_until_it_lives(dir: &Path, each: u64, poison: &[u64]) -> (u32, Vec<u64>) {
    for deaths in 0..50 {
        let (lived, in_hand) = life(dir, each, |seq| poison.contains(&seq));
        if lived {
            return (deaths, in_hand.culprits);
        }
    }
    panic!("still dying");
}

#[test]
fn one_message_among_many_is_found_after_four_deaths_and_one_alone_after_three() {
    for seq in [1, 7, 10, 11, 40] {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(deaths_until_it_lives(dir.path(), 10, &[seq]), (4, vec![seq]));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(deaths_until_it_lives(dir.path(), 1, &[seq]), (3, vec![seq]));
    }
}

#[test]
fn several_are_found_one_after_another_and_stay_known_while_they_may_enter_again() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(deaths_until_it_lives(dir.path(), 10, &[3, 4, 25]).1, vec![3, 4, 25]);
    assert_eq!(deaths_until_it_lives(dir.path(), 10, &[3, 4, 25]), (0, vec![3, 4, 25]));
    let later = InHand::open(dir.path(), "main", 5, &RealDisk);
    assert_eq!(later.culprits, vec![25]);
    assert_eq!(later.now, CALM);
}

#[test]
fn kills_from_outside_blame_nobody_wherever_they_hit() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..300 {
        // Alone in hand three times in a row would be proof; any two in a row are not.
        let hit = random.u64(1..=40);
        assert!(!life(dir.path(), 10, |seq| seq == hit).0);
        let (lived, in_hand) = life(dir.path(), 10, |_| random.u8(..) == 0);
        assert!(in_hand.culprits.is_empty());
        assert!(!lived || in_hand.now == CALM);
    }
}

#[test]
fn a_death_with_nothing_in_hand_changes_nothing_and_the_suspects_gone_through_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        assert!(!life(dir.path(), 10, |seq| seq == 15).0);
        let idle = InHand::open(dir.path(), "main", 1, &RealDisk);
        drop(InHand::open(dir.path(), "main", 1, &RealDisk));
        assert!(idle.now.deaths > 0 && idle.culprits.is_empty());
    }
    assert!(life(dir.path(), 10, |_| false).0);
    let calm = InHand::open(dir.path(), "main", 1, &RealDisk);
    assert_eq!((calm.now, calm.culprits.len()), (CALM, 0));
}

#[test]
fn one_that_stays_inside_when_its_group_leaves_is_in_hand_at_a_death_until_it_has_left() {
    let dir = tempfile::tempdir().unwrap();
    let noted = || Noted::parse(&std::fs::read(dir.path().join("in_hand.main")).unwrap()).unwrap();
    let take = |in_hand: &mut InHand, seqs: std::ops::RangeInclusive<u64>| {
        in_hand.takes(*seqs.end());
        seqs.for_each(|seq| in_hand.enters(seq));
    };
    let mut in_hand = InHand::open(dir.path(), "main", 1, &RealDisk);
    take(&mut in_hand, 1..=10);
    in_hand.stay(Some((4, 6)));
    in_hand.left();
    assert_eq!(noted().in_hand, Stretch { first: 4, last: 6 });
    take(&mut in_hand, 11..=20);
    assert_eq!(noted().in_hand, Stretch { first: 4, last: 20 });
    in_hand.left();
    // It dies of one that stayed: once among those, then among a group.
    let mut in_hand = InHand::open(dir.path(), "main", 1, &RealDisk);
    assert!(!in_hand.is_wary());
    take(&mut in_hand, 1..=10);
    in_hand.stay(Some((4, 6)));
    in_hand.left();
    assert_eq!(noted().suspects, Stretch { first: 4, last: 6 }, "they have not left");
    let mut in_hand = InHand::open(dir.path(), "main", 1, &RealDisk);
    assert!(in_hand.is_wary() && in_hand.is_suspect(5));
    take(&mut in_hand, 1..=10);
    in_hand.left();
    assert_eq!((in_hand.now, noted()), (CALM, CALM), "all left alive");
    in_hand.stay(Some((12, 12)));
    in_hand.left();
    in_hand.stay(None);
    in_hand.left();
    assert_eq!(noted(), CALM);
    // Stopping in good order is no death of what is inside then.
    in_hand.stay(Some((13, 13)));
    in_hand.left();
    in_hand.stops();
    assert_eq!(InHand::open(dir.path(), "main", 1, &RealDisk).now, CALM);
}

#[test]
fn a_suspect_that_finds_no_room_has_not_gone_through() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!life(dir.path(), 1, |seq| seq == 7).0);
    let mut in_hand = InHand::open(dir.path(), "main", 1, &RealDisk);
    in_hand.takes(10);
    (1..=7).for_each(|seq| in_hand.enters(seq));
    in_hand.comes_again(7);
    in_hand.left();
    assert_eq!(in_hand.now.deaths, 1);
    in_hand.takes(10);
    in_hand.enters(7);
    in_hand.left();
    assert_eq!(in_hand.now, CALM);
}

#[test]
fn a_damaged_file_or_none_at_all_blames_nobody_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        life(dir.path(), 10, |seq| seq == 15);
    }
    let path = dir.path().join("in_hand.main");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..60 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let in_hand = InHand::open(dir.path(), "main", 1, &RealDisk);
        assert_eq!((in_hand.now, in_hand.culprits.len()), (CALM, 0), "{at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(InHand::open(dir.path(), "main", 1, &RealDisk).now, CALM, "{at}");
    }
    let mut nowhere = InHand::open(&dir.path().join("gone"), "main", 1, &RealDisk);
    nowhere.takes(9);
    nowhere.enters(1);
    nowhere.left();
    assert_eq!(nowhere.now, CALM);
}
