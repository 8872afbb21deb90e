//! Every script can be read, enrols once, and has a title of its own.

use std::collections::BTreeSet;

use scoreboard::{Script, Step};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");

#[test]
fn every_script_can_be_read() {
    let mut titles = BTreeSet::new();
    for entry in std::fs::read_dir(SCRIPTS).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let script = Script::read("it", &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let enrolments = script.steps.iter().filter(|step| matches!(step, Step::Enrol));
        assert_eq!(enrolments.count(), 1, "{}", path.display());
        assert!(
            titles.insert(script.title.clone()),
            "two scripts are called '{}'",
            script.title
        );
    }
    assert!(titles.len() > 10);
}

/// A value that gave way is looked for by its text: it must not be a part of another one.
#[test]
fn no_written_value_is_the_end_of_another_one_of_its_script() {
    for entry in std::fs::read_dir(SCRIPTS).unwrap() {
        let path = entry.unwrap().path();
        let script = Script::read("it", &std::fs::read_to_string(&path).unwrap()).unwrap();
        let values: BTreeSet<String> = script
            .steps
            .iter()
            .filter_map(Step::deed)
            .flat_map(|(_, _, doing)| doing.written_to("ada").into_values())
            .collect();
        for value in &values {
            let holders = values.iter().filter(|other| other.ends_with(value.as_str()));
            assert_eq!(holders.count(), 1, "{}: '{value}'", path.display());
        }
    }
}
