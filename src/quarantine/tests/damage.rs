//! Tests of damage in the quarantine: what is lost is counted, told and set aside, and nothing else changes.

use super::*;
use crate::testing::memory_disk::MemoryDisk;

const DIR: &str = "/data/quarantine";
/// Bytes of the mark at the end of [`written`].
const MARK: usize = 8 + 9 + 6 + 11 + 3 + 8;

fn opened(disk: &MemoryDisk) -> Quarantine {
    open(Path::new(DIR), &Config::default(), Arc::new(disk.clone()), 1000)
}

/// As the cursor has it: four quarantined.
fn first() -> BTreeMap<String, Outcomes> {
    let mut outcomes = Outcomes::default();
    outcomes.count_times(NO_ROUTE, 4);
    [("main".to_owned(), outcomes)].into()
}

/// Messages 1 to 4, of which 2 was stored later.
fn written() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let quarantine = opened(&disk);
    (1..=4).for_each(|seq| quarantine.put(&[held(seq, "main", Reason::NoRoute)]).unwrap());
    quarantine.record(&[mv(1, 2, NO_ROUTE, Outcome::Stored)]).unwrap();
    disk
}

fn damaged(disk: &MemoryDisk, at: usize) -> MemoryDisk {
    let mut files = disk.files();
    let bytes = files.get_mut(&segment::path(Path::new(DIR), 1, 0)).unwrap();
    bytes[at] ^= 0x10;
    MemoryDisk::holding(files)
}

/// Quarantined, stored and discarded by the account, and held now.
fn counted(quarantine: &Quarantine) -> (u64, u64, u64, u64) {
    let now = account(quarantine, &[NO_ROUTE; 4]);
    (now.quarantined_total(), now.stored, now.discarded_total(), quarantine.counts().held)
}

#[test]
fn whichever_byte_is_damaged_the_account_knows_what_is_held_and_counts_the_loss_once() {
    let whole = written();
    assert_eq!(opened(&whole).settle_lost(&first()), 0);
    let length = whole.files()[&segment::path(Path::new(DIR), 1, 0)].len();
    let mut seen = std::collections::BTreeSet::new();
    for at in 0..length {
        let disk = damaged(&whole, at);
        let quarantine = opened(&disk);
        quarantine.settle_lost(&first());
        let now = counted(&quarantine);
        assert_eq!(now.0, now.3, "byte {at}: what counts as quarantined is held");
        // A header has two copies; a last frame whose length is damaged looks like one that was cut off.
        let told = quarantine.damage(true).is_some();
        assert!(if at < 80 { !told } else { told || at >= length - MARK }, "byte {at}: {now:?}");
        drop(quarantine);
        let again = opened(&disk);
        assert_eq!((again.settle_lost(&first()), counted(&again)), (0, now), "byte {at}");
        seen.insert(now);
    }
    // Nothing; a held message; the mark that another was stored, which is held again; and that one itself.
    assert_eq!(seen, [(3, 1, 0, 3), (2, 1, 1, 2), (4, 0, 0, 4)].into());
}

#[test]
fn damage_is_told_until_a_human_has_moved_away_what_is_set_aside() {
    let whole = written();
    let length = whole.files()[&segment::path(Path::new(DIR), 1, 0)].len();
    let disk = damaged(&whole, length / 2);
    let quarantine = opened(&disk);
    let told = quarantine.damage(false).unwrap();
    assert_eq!((told.files, &told.dir), (1, &Path::new(DIR).join("damaged")));
    let aside: Vec<_> = disk.files().into_keys().filter(|path| path.starts_with(&told.dir)).collect();
    aside.iter().for_each(|path| disk.remove(path).unwrap());
    assert_eq!(quarantine.damage(true), None);
}

#[test]
fn damaged_counts_are_set_aside_and_those_before_them_are_kept() {
    let disk = written();
    let (counts, before) = (Path::new(DIR).join("counts"), Path::new(DIR).join("counts.prev"));
    disk.put(&before, br#"{"messages":7}"#.to_vec());
    disk.put(&counts, b"junk".to_vec());
    let quarantine = opened(&disk);
    assert_eq!((quarantine.counts().expired, quarantine.damage(true).map(|told| told.files)), (7, Some(1)));
    assert_eq!(disk.files()[&Path::new(DIR).join("damaged/counts")], b"junk");
    assert!(disk.files().contains_key(&before) && !disk.files().contains_key(&counts));
}

#[test]
fn what_may_be_read_another_time_is_not_counted_as_lost() {
    let disk = written();
    let path = segment::path(Path::new(DIR), 1, 0);
    disk.break_file(&path, 5);
    let quarantine = opened(&disk);
    assert_eq!((quarantine.settle_lost(&first()), quarantine.counts().held), (0, 0));
    let later = |bytes: &mut Vec<u8>| {
        for block in [0, 40] {
            bytes[block + 8] = 2;
            let crc = crc32fast::hash(&bytes[block..block + 36]).to_le_bytes();
            bytes[block + 36..block + 40].copy_from_slice(&crc);
        }
    };
    let mut files = written().files();
    later(files.get_mut(&path).unwrap());
    assert_eq!(opened(&MemoryDisk::holding(files)).settle_lost(&first()), 0);
}
