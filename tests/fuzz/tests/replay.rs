//! Every file of the corpora through its target: what fuzzing has found once is a test from then on.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use fuzz::TARGETS;
// Built beside the engine's programs, this one needs what they report to.
#[cfg(feature = "libfuzzer")]
use libfuzzer_sys as _;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");

/// A text of cards with as many properties as are read is small. What is larger belongs into a test that makes it.
const LARGEST_SEED: u64 = 64 * 1024;

#[test]
fn every_file_of_the_corpora_is_taken() {
    let mut broken = Vec::new();
    for (name, run) in TARGETS {
        let files = fs::read_dir(Path::new(CORPUS).join(name)).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{name} has too few seeds to begin with");
        for file in files {
            let data = fs::read(&file).unwrap();
            if catch_unwind(|| run(&data)).is_err() {
                broken.push(file);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn each_target_has_a_corpus_and_a_program_and_there_are_no_others() {
    let names = |folder: &str, end: &str| -> BTreeSet<String> {
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names
            .map(|name| name.strip_suffix(end).unwrap_or(&name).replace('_', "-"))
            .collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("corpus", ""), targets);
    assert_eq!(names("fuzz_targets", ".rs"), targets);
}

#[test]
fn seeds_are_small() {
    for (name, _) in TARGETS {
        for file in fs::read_dir(Path::new(CORPUS).join(name)).unwrap() {
            let file = file.unwrap();
            assert!(file.metadata().unwrap().len() <= LARGEST_SEED, "{file:?}");
        }
    }
}
