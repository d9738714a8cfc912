//! The store's file: its tables, its version, and why it cannot be opened.
//!
//! `points` has one row for each series and time, with all fields in it (see [`super::packed`]). Rows lie in the order
//! of their key, so that a series is read by itself, and the newest point of one is the last of its rows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// The file's name in the data directory.
pub const FILE: &str = "store.sqlite";
/// Version 1 had one row for each field, in the order of time.
const VERSION: i64 = 2;
/// Says that the file is a store of ours: "nadi".
const APPLICATION: i64 = 0x6e61_6469;

const SCHEMA: &str = "
    CREATE TABLE series (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
    CREATE TABLE fields (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE points (
        series INTEGER NOT NULL, ts INTEGER NOT NULL, fields BLOB NOT NULL,
        PRIMARY KEY (series, ts)
    ) WITHOUT ROWID;
";

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}: {cause}", path.display())]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
    #[error("{}: written by a later version of nadikota (store version {found}); run that one", path.display())]
    Newer { path: PathBuf, found: i64 },
    #[error(
        "{}: written by an earlier version of nadikota (store version {found}, now {VERSION}); to keep its points, \
         export them with that version, then move the file and its -wal and -shm away: a new one is made",
        path.display()
    )]
    Older { path: PathBuf, found: i64 },
    #[error(
        "{}: not a store of nadikota; move it away, and a new one is made, or name another data_dir",
        path.display()
    )]
    Foreign { path: PathBuf },
    #[error("{}: nothing is stored yet; start nadikota", path.display())]
    Empty { path: PathBuf },
}

/// Opens or makes the file.
pub(super) fn to_write(dir: &Path) -> Result<Connection, StoreError> {
    let path = dir.join(FILE);
    let connection = Connection::open(&path).map_err(|cause| why(&path, cause))?;
    if is_empty(&connection).map_err(|cause| why(&path, cause))? {
        make(&connection).map_err(|cause| why(&path, cause))?;
    } else {
        judge(&connection, &path)?;
    }
    set(&connection).map_err(|cause| why(&path, cause))?;
    Ok(connection)
}

/// Opens the file beside its writer.
pub(super) fn to_read(dir: &Path) -> Result<Connection, StoreError> {
    let path = dir.join(FILE);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(|cause| why(&path, cause))?;
    if is_empty(&connection).map_err(|cause| why(&path, cause))? {
        return Err(StoreError::Empty { path });
    }
    judge(&connection, &path)?;
    Ok(connection)
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::from_secs(5))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0)
}

fn make(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}

/// What the file says of itself.
fn judge(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let told = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let failed = |cause| why(path, cause);
    let (application, found) =
        (told("application_id").map_err(failed)?, told("user_version").map_err(failed)?);
    let path = path.to_owned();
    // Version 1 did not say whose it is, but no other program has its tables.
    let first = || {
        let tables =
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('series', 'fields', 'points', 'latest')";
        connection.query_row(tables, [], |row| row.get::<_, i64>(0)).is_ok_and(|tables| tables == 4)
    };
    match (application, found) {
        (APPLICATION, VERSION) => Ok(()),
        (APPLICATION, VERSION..) => Err(StoreError::Newer { path, found }),
        (APPLICATION, _) => Err(StoreError::Older { path, found }),
        (0, 1) if first() => Err(StoreError::Older { path, found }),
        _ => Err(StoreError::Foreign { path }),
    }
}

fn set(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on the disk when it returns: the journal is settled by it.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The newest page of every series is written again and again, and copied into the file once in 16 MiB.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "journal_size_limit", 32 * 1024 * 1024)?;
    connection.pragma_update(None, "cache_size", -8192)
}

fn why(path: &Path, cause: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { path },
        _ => StoreError::Sqlite { path, cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(prepare: impl FnOnce(&Path)) -> [String; 2] {
        let dir = tempfile::tempdir().unwrap();
        prepare(&dir.path().join(FILE));
        let before = std::fs::read(dir.path().join(FILE)).unwrap();
        let told =
            [to_write(dir.path()).unwrap_err().to_string(), to_read(dir.path()).unwrap_err().to_string()];
        assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), before, "it is left as it was");
        told
    }

    fn sql(text: &str) -> impl FnOnce(&Path) {
        move |path| Connection::open(path).unwrap().execute_batch(text).unwrap()
    }

    #[test]
    fn a_store_of_another_version_or_program_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        drop(to_write(dir.path()).unwrap());
        to_read(dir.path()).unwrap();
        to_write(dir.path()).unwrap();
        let later = refused(|path| {
            drop(to_write(path.parent().unwrap()).unwrap());
            Connection::open(path)
                .unwrap()
                .execute_batch("PRAGMA user_version = 9; PRAGMA journal_mode = DELETE")
                .unwrap();
        });
        let earlier =
            refused(sql("CREATE TABLE series (id); CREATE TABLE fields (id); CREATE TABLE points (ts);
             CREATE TABLE latest (ts); PRAGMA user_version = 1;"));
        let other = refused(sql("CREATE TABLE points (x); PRAGMA user_version = 1;"));
        let ours =
            refused(sql("CREATE TABLE points (x); PRAGMA user_version = 2; PRAGMA application_id = 7;"));
        let text = refused(|path| std::fs::write(path, "no database\n".repeat(500)).unwrap());
        for (told, expected) in [
            (later, "later version of nadikota (store version 9); run that one"),
            (
                earlier,
                "earlier version of nadikota (store version 1, now 2); to keep its points, export them",
            ),
            (other, "not a store of nadikota; move it away"),
            (ours, "not a store of nadikota; move it away"),
            (text, "not a store of nadikota; move it away"),
        ] {
            for told in told {
                assert!(told.contains(FILE) && told.contains(expected), "{told}");
            }
        }
    }

    #[test]
    fn a_file_that_was_only_begun_is_made_whole_by_the_writer() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(to_read(dir.path()).unwrap_err(), StoreError::Sqlite { .. }));
        std::fs::write(dir.path().join(FILE), "").unwrap();
        let told = to_read(dir.path()).unwrap_err().to_string();
        assert!(told.contains("nothing is stored yet"), "{told}");
        drop(to_write(dir.path()).unwrap());
        to_read(dir.path()).unwrap();
    }
}
