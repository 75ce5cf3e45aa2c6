//! Slots of a quarter of a second, by which a model's records are found.
//!
//! An index entry for each record costs Postgres a tenth of what it does for it. So of all records that a transaction
//! has of one model in one slot, the index holds the first; the others are `model_repeated`. A slot that has records of
//! a model therefore has one that the index holds, for what is repeated was written together with that, or after it.

use domain::{ModelVersion, traffic::TrafficRecord};
use uuid::Uuid;

/// The ids that share the first 40 of their 48 bits of time: those of 256 milliseconds. The database's functions
/// `traffic_slot_first` and `traffic_slot_last` know them as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot(u128);

impl Slot {
    fn of(id: Uuid) -> Self {
        Self(id.as_u128() >> (128 - 40))
    }
}

/// What one transaction has had.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<(ModelVersion, Slot)>);

impl Seen {
    /// Whether a record of the same model and slot came before; from now on one has.
    pub(super) fn repeats(&mut self, record: &TrafficRecord) -> bool {
        let Some(version) = record.model_version else {
            return false;
        };
        let place = (version, Slot::of(record.id));
        // They come in the order of their slots, more or less.
        let repeats = self.0.iter().rev().any(|it| *it == place);
        if !repeats {
            self.0.push(place);
        }
        repeats
    }
}

/// What selects the newest `limit` records of a model: from one slot that the index has of it to the next older one, as
/// far as it takes. `version`, `oldest` and `newest` are placeholders of values, the latter two ids between which the
/// records are; `select` and `conditions` select records in general.
///
/// By the order that they ask for, slots are found through this index alone, however many records the model has. Postgres
/// joins each slot's records to it in turn, and stops when it has `limit`: nothing is sorted before that.
pub(super) fn newest_of_model(
    [version, oldest, newest]: [&str; 3],
    select: &str,
    conditions: &str,
    limit: u64,
) -> String {
    let mark = |until: &str| {
        format!(
            "SELECT id FROM traffic WHERE model_repeated IS NOT TRUE AND model_version >= {version} \
             AND (model_version, id) >= ({version}, traffic_slot_first({oldest})) \
             AND (model_version, id) {until} ORDER BY model_version DESC, id DESC LIMIT 1"
        )
    };
    let first = mark(&format!("<= ({version}, traffic_slot_last({newest}))"));
    let next = mark(&format!("< ({version}, traffic_slot_first(marks.id))"));
    format!(
        "WITH RECURSIVE marks (id) AS (({first}) UNION ALL SELECT ({next}) FROM marks WHERE marks.id IS NOT NULL) \
         SELECT * FROM (SELECT records.* FROM marks CROSS JOIN LATERAL ({select} {conditions} \
         AND id BETWEEN traffic_slot_first(marks.id) AND traffic_slot_last(marks.id) ORDER BY id DESC LIMIT {limit}) \
         records LIMIT {limit}) newest ORDER BY id DESC"
    )
}
