//! Damage nobody thought of.

use proptest::prelude::*;

use super::bench::{Bench, beside, noise};

const PAGE: usize = 4096;

/// What happens to a page.
#[derive(Debug, Clone)]
enum PageDamage {
    Zeroed(u32),
    Noise(u32, u64),
    /// This page has the content of another: a misdirected write.
    Copy(u32, u32),
}

fn damage() -> impl Strategy<Value = PageDamage> {
    prop_oneof![
        any::<u32>().prop_map(PageDamage::Zeroed),
        (any::<u32>(), any::<u64>()).prop_map(|(page, seed)| PageDamage::Noise(page, seed)),
        (any::<u32>(), any::<u32>()).prop_map(|(to, from)| PageDamage::Copy(to, from)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// It ends, and no row is there that the source did not have.
    #[test]
    fn random_damage_never_invents_a_row(damages in proptest::collection::vec(damage(), 1..30), cut in 0..4_u32, in_wal in 0..3_i64) {
        let bench = Bench::new(700, in_wal * 100);
        let mut bytes = std::fs::read(&bench.source).expect("the source");
        let pages = u32::try_from(bytes.len() / PAGE).expect("few");
        let copied = damages.iter().any(|damage| matches!(damage, PageDamage::Copy(..)));
        let at = |page: u32| (page % pages) as usize * PAGE;
        for damage in &damages {
            match damage {
                PageDamage::Zeroed(page) => bytes[at(*page)..at(*page) + PAGE].fill(0),
                PageDamage::Noise(page, seed) => bytes[at(*page)..at(*page) + PAGE].copy_from_slice(&noise(PAGE, *seed)),
                PageDamage::Copy(to, from) => bytes.copy_within(at(*from)..at(*from) + PAGE, at(*to)),
            }
        }
        if cut == 0 {
            bytes.truncate(bytes.len() * 3 / 4 + 100);
        }
        std::fs::write(&bench.source, &bytes).expect("the source");
        let salvaged = bench.salvage("straight.db");
        if !copied {
            for (key, fields) in &salvaged.rows {
                // A long note is put together from several pages, and SQLite cannot tell a lost one.
                let whole = key.0 != "notes" || fields[1].size() < 3000;
                prop_assert!(!whole || bench.rows.get(key) == Some(fields), "{:?}", key);
            }
        }
        let interrupted = bench.salvage_with_interruptions("interrupted.db");
        prop_assert!(interrupted.rows == salvaged.rows);
        prop_assert_eq!(interrupted.report, salvaged.report);
    }

    /// Single bytes, anywhere: values may change where nothing can tell, but it ends without a panic.
    #[test]
    fn random_bytes_never_stop_it(bytes in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..200), head in proptest::collection::vec((0..200_u32, any::<u8>()), 0..20), in_wal in proptest::collection::vec((any::<u32>(), any::<u8>()), 0..3)) {
        let bench = Bench::new(300, 50);
        let mut file = std::fs::read(&bench.source).expect("the source");
        let length = file.len();
        for (at, byte) in bytes.into_iter().chain(head) {
            file[at as usize % length] = byte;
        }
        std::fs::write(&bench.source, file).expect("the source");
        let wal = beside(&bench.source);
        let mut log = std::fs::read(&wal).expect("the WAL");
        for (at, byte) in in_wal {
            let place = at as usize % log.len();
            log[place] = byte;
        }
        std::fs::write(&wal, log).expect("the WAL");
        bench.salvage("target.db");
    }
}
