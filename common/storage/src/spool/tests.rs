use std::{fs, io::Write as _};

use bytes::Bytes;
use chrono::DateTime;
use domain::{
    ModelVersion,
    traffic::{BodyDigest, RecordedBody, Shortened, TrafficRecord, id_at},
};

use super::*;

fn record(number: u8, body: &[u8]) -> TrafficRecord {
    let at = DateTime::from_timestamp(1_780_000_000, 123_456_000).unwrap();
    TrafficRecord {
        id: id_at(at, [number; 10]),
        at,
        method: "POST".into(),
        path: "/v1/predictions".to_owned(),
        query: Some("explain=true".to_owned()),
        status: 200,
        duration_us: 17,
        model_version: Some(ModelVersion::FIRST),
        key_id: None,
        client: Some("127.0.0.1".into()),
        request_headers: vec![("user-agent".into(), "a\"b".to_owned())],
        request_body: RecordedBody::whole(Bytes::copy_from_slice(body)),
        response_body: RecordedBody::prefix(&Bytes::from_static(b"0123456789"), 4),
        shortened: vec![Shortened {
            field: "query".into(),
            digest: BodyDigest::of(b"explain=true"),
        }],
        repeats: u32::from(number),
    }
}

fn read(sealed: &Sealed) -> (Vec<TrafficRecord>, Ending) {
    let mut reader = Reader::open(&sealed.path).unwrap();
    let mut records = Vec::new();
    loop {
        match reader.read_next().unwrap() {
            Ok(record) => records.push(record),
            Err(ending) => return (records, ending),
        }
    }
}

#[test]
fn records_come_back_as_they_went_in_also_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let records = [record(1, b"\0 \xff \x01"), record(2, b"")];
    let spool = Spool::open(root.path(), 1 << 20).unwrap();
    spool.append(&[&records[0]]).unwrap();
    spool.append(&[&records[1]]).unwrap();
    let bytes = spool.bytes();
    drop(spool);

    let again = Spool::open(root.path(), 1 << 20).unwrap();
    assert_eq!(again.bytes(), bytes);
    let sealed = again.seal();
    assert_eq!(sealed.len(), 1);
    assert_eq!(read(&sealed[0]), (records.to_vec(), Ending::Whole));
    again.append(&[&records[0]]).unwrap();
    again.remove(&sealed[0]).unwrap();
    assert_eq!(again.seal().len(), 1, "what came meanwhile is in another file");
}

#[test]
fn a_write_that_was_cut_off_takes_nothing_with_it() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), 1 << 20).unwrap();
    spool.append(&[&record(1, b"a"), &record(2, b"b")]).unwrap();
    let sealed = spool.seal().remove(0);
    let whole = fs::read(&sealed.path).unwrap();
    for length in (segment::MAGIC.len()..whole.len()).step_by(7) {
        fs::write(&sealed.path, &whole[..length]).unwrap();
        let (records, ending) = read(&sealed);
        assert!(records.len() < 2, "{length}");
        let left = length as u64 > segment::MAGIC.len() as u64;
        assert_eq!(
            ending != Ending::Whole,
            left && !is_between(&whole, length),
            "{length}"
        );
    }
    let mut zeros = fs::File::options().append(true).open(&sealed.path).unwrap();
    fs::write(&sealed.path, &whole).unwrap();
    zeros.write_all(&[0; 64]).unwrap();
    assert_eq!(read(&sealed).0.len(), 2);
}

/// Whether a frame ends here.
fn is_between(whole: &[u8], length: usize) -> bool {
    let first = 16 + u32::from_le_bytes(whole[8..12].try_into().unwrap()) as usize;
    length == first
}

#[test]
fn a_flipped_bit_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), 1 << 20).unwrap();
    spool.append(&[&record(1, b"body")]).unwrap();
    let sealed = spool.seal().remove(0);
    let whole = fs::read(&sealed.path).unwrap();
    for place in segment::MAGIC.len()..whole.len() {
        let mut bad = whole.clone();
        bad[place] ^= 1;
        fs::write(&sealed.path, &bad).unwrap();
        assert_eq!(read(&sealed).0.len(), 0, "{place}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_what_is_there_stays() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), 2000).unwrap();
    spool.append(&[&record(1, &[7; 1000])]).unwrap();
    let full = spool.append(&[&record(2, &[7; 1000])]);
    assert!(matches!(full, Err(SpoolError::Full { .. })), "{full:?}");
    assert_eq!(read(&spool.seal()[0]).0.len(), 1);
}

#[test]
fn two_processes_have_two_folders_and_a_held_one_cannot_be_claimed() {
    let root = tempfile::tempdir().unwrap();
    let one = Spool::open(root.path(), 1).unwrap();
    let other = Spool::open(root.path(), 1).unwrap();
    assert_ne!(one.folder(), other.folder());
    let taken = Spool::claim(one.folder());
    assert!(matches!(taken, Err(SpoolError::Taken(_))), "{taken:?}");
    let folder = one.folder().to_owned();
    drop(one);
    assert!(Spool::claim(&folder).is_ok());
}

/// S10: what somebody deletes while it is written to is written again.
#[test]
fn a_file_that_is_deleted_under_the_writer_keeps_no_record_that_was_promised() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), 1 << 20).unwrap();
    spool.append(&[&record(1, b"lost")]).unwrap();
    let first = segment::path(spool.folder(), 1);
    fs::remove_file(&first).unwrap();
    spool.append(&[&record(2, b"kept")]).unwrap();
    let sealed = spool.seal();
    assert_eq!(sealed.len(), 2, "the deleted one is not known to be gone yet");
    assert!(Reader::open(&sealed[0].path).is_err());
    spool.forget(&sealed[0]);
    assert_eq!(read(&sealed[1]).0, [record(2, b"kept")]);
    spool.remove(&sealed[1]).unwrap();
    assert_eq!(spool.bytes(), 0);
}

/// S10: also when all of it is deleted, or another has put a file there.
#[test]
fn a_deleted_folder_is_made_again_and_claimed_and_no_file_is_written_over() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(&root.path().join("a/b"), 1 << 20).unwrap();
    fs::remove_dir_all(spool.folder()).unwrap();
    spool.append(&[&record(1, b"")]).unwrap();
    assert!(matches!(Spool::claim(spool.folder()), Err(SpoolError::Taken(_))));
    assert_eq!(read(&spool.seal()[0]).0, [record(1, b"")]);
    let foreign = [2, 3, 4].map(|number| segment::path(spool.folder(), number));
    for path in &foreign {
        fs::write(path, b"foreign").unwrap();
    }
    spool.append(&[&record(2, b"")]).unwrap();
    for path in foreign {
        assert_eq!(fs::read(path).unwrap(), b"foreign");
    }
    assert_eq!(read(&spool.seal()[1]).0, [record(2, b"")]);
}

/// S10: what is no file, or cannot be read, is put aside, and is not opened for ever.
#[test]
fn what_cannot_be_read_is_put_aside() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(root.path(), 1 << 20).unwrap();
    spool.append(&[&record(1, b"")]).unwrap();
    let sealed = spool.seal().remove(0);
    fs::remove_file(&sealed.path).unwrap();
    fs::create_dir(&sealed.path).unwrap();
    let error = Reader::open(&sealed.path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let aside = spool.put_aside(&sealed, Aside::Unreadable).unwrap();
    assert_eq!(aside.extension().unwrap(), "unreadable");
    assert!(spool.seal().is_empty());
    assert_eq!(spool.bytes(), 0);
}
