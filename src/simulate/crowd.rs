//! A crowd: a registry of as many devices as asked, the given ones first and then more of the same kinds.

use std::fmt::Write as _;

use super::CityError;
use super::device::{Kind, Row};

/// Devices of a group, unless it is the only one.
pub const LEAST: usize = 10;

/// Registries for `groups` cities that together have so many devices, each with devices of several kinds.
///
/// The first devices are those of `registry`, a CSV text, in an order that mixes the kinds and begins with one that
/// tells no time and so is always due; a group of `LEAST` has one. Further devices repeat them under other ids.
pub fn registries(registry: &str, devices: usize, groups: usize) -> Result<Vec<String>, CityError> {
    let mixed = mixed(registry)?;
    let mut rows = (1_u64..).flat_map(|copy| mixed.iter().map(move |row| (copy, row)));
    let groups = groups.max(1);
    let mut all = Vec::with_capacity(groups);
    for group in 0..groups {
        let size = devices / groups + usize::from(group < devices % groups);
        let mut text = String::from("id,district,site,profile\n");
        for (copy, row) in rows.by_ref().take(size) {
            let (id, profile) = (name(&row.id, copy), &row.profile);
            let _ = writeln!(text, "{id},{},{},{profile}", quoted(&row.district), quoted(&row.site));
        }
        all.push(text);
    }
    Ok(all)
}

/// One device of each kind after another, those that are always due spread among the others.
fn mixed(registry: &str) -> Result<Vec<Row>, CityError> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(registry.as_bytes());
    let mut kinds: Vec<(Kind, Vec<Row>)> = Vec::new();
    for row in reader.deserialize() {
        let row: Row = row.map_err(CityError::Unreadable)?;
        let Some(kind) = Kind::of_profile(&row.profile) else {
            return Err(CityError::UnknownProfile { device: row.id, profile: row.profile });
        };
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            // A device has a row for each place it ever stood at.
            Some((_, rows)) if rows.iter().any(|known| known.id == row.id) => {}
            Some((_, rows)) => rows.push(row),
            None => kinds.push((kind, vec![row])),
        }
    }
    let (ready, others) = kinds.into_iter().partition(|(kind, _)| kind.step().is_none());
    let (ready, others) = (in_turn(ready), in_turn(others));
    if ready.is_empty() {
        return Err(CityError::Missing("noise or waste"));
    }
    let between = others.len().div_ceil(ready.len());
    let (mut mixed, mut others) = (Vec::new(), others.into_iter());
    for row in ready {
        mixed.push(row);
        mixed.extend(others.by_ref().take(between));
    }
    Ok(mixed)
}

/// The first of each kind, then the second of each, and so on.
fn in_turn(kinds: Vec<(Kind, Vec<Row>)>) -> Vec<Row> {
    let mut left: Vec<_> = kinds.into_iter().map(|(_, rows)| rows.into_iter()).collect();
    let mut rows = Vec::new();
    loop {
        let before = rows.len();
        rows.extend(left.iter_mut().filter_map(Iterator::next));
        if rows.len() == before {
            return rows;
        }
    }
}

/// The id of a copy; the first copy is the device itself. A LoRaWAN device's id stays one: 16 digits of base 16.
fn name(id: &str, copy: u64) -> String {
    if copy == 1 {
        return id.to_owned();
    }
    match u64::from_str_radix(id, 16) {
        Ok(number) if id.len() == 16 => {
            format!("{:016x}", number.wrapping_add((copy - 1).wrapping_mul(0x1_0000)))
        }
        _ => format!("{id}-{copy}"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::DEMO_DEVICES;
    use crate::simulate::{City, Options};

    fn ids(registry: &str) -> Vec<String> {
        registry.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_first_are_the_citys_own_and_all_ids_differ() {
        let own: HashSet<_> = ids(DEMO_DEVICES).into_iter().collect();
        let [all] = registries(DEMO_DEVICES, 1_000, 1).unwrap().try_into().unwrap();
        let ids = ids(&all);
        assert_eq!(ids.iter().take(own.len()).cloned().collect::<HashSet<_>>(), own);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 1_000);
        assert_eq!(
            City::new(&all, Options { trouble: false, ..Options::default() }).unwrap().devices(),
            1_000
        );
    }

    #[test]
    fn every_group_that_is_large_enough_makes_a_city() {
        for (devices, groups) in [(1, 1), (8, 1), (70, 7), (1_000, 100), (1_001, 3), (60, 6)] {
            let all = registries(DEMO_DEVICES, devices, groups).unwrap();
            let mut seen = HashSet::new();
            for registry in &all {
                let city = City::new(registry, Options { trouble: false, ..Options::default() }).unwrap();
                assert!(city.devices() >= devices / groups);
                seen.extend(ids(registry));
            }
            assert_eq!((all.len(), seen.len()), (groups, devices));
        }
    }

    #[test]
    fn a_registry_where_nobody_is_always_due_or_with_a_stranger_is_refused() {
        let head = "id,district,site,profile\n";
        assert!(matches!(registries(head, 5, 1), Err(CityError::Missing(_))));
        let stranger = format!("{head}x,y,z,sundial\n");
        assert!(matches!(registries(&stranger, 5, 1), Err(CityError::UnknownProfile { .. })));
    }
}
