//! A function has one name: of its folder, crate and binary in kebab case, of its resource in Pascal case.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::commands::{cargo, read};

pub(crate) fn check() -> Result<Vec<String>> {
    let metadata = read(&mut cargo("metadata --locked --no-deps --format-version 1"))?;
    let crates = crates(&serde_json::from_str(&metadata)?)?;
    let template = std::fs::read_to_string(local_aws::repository().join("template.yaml"))?;
    Ok(compare(&crates, &deployed(&template)))
}

/// The binaries of each crate of `functions/`, by its folder. The crate's own name is the first of them.
type Crates = BTreeMap<String, Vec<String>>;

/// A function of the template: its logical id, and what its `CodeUri` and its `Binary` say.
#[derive(Debug, PartialEq, Eq)]
struct Deployed {
    id: String,
    folder: String,
    binary: String,
}

fn crates(metadata: &Value) -> Result<Crates> {
    let mut crates = Crates::new();
    for package in metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?
    {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let mut path = manifest.rsplit('/').skip(1);
        let (Some(folder), Some("functions")) = (path.next(), path.next()) else {
            continue;
        };
        let targets = package["targets"].as_array().into_iter().flatten();
        let binaries = targets.filter(|target| target["kind"][0] == "bin");
        let names = std::iter::once(package)
            .chain(binaries)
            .filter_map(|it| it["name"].as_str());
        crates.insert(folder.to_owned(), names.map(str::to_owned).collect());
    }
    Ok(crates)
}

/// Reads the functions off the template, whose form cfn-lint has checked.
fn deployed(template: &str) -> Vec<Deployed> {
    let mut functions = Vec::new();
    let mut id = "";
    for line in template.lines() {
        let words = line.trim();
        if let Some(name) = line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with([' ', '#']))
        {
            id = name.trim_end_matches(':');
        } else if words == "Type: AWS::Serverless::Function" {
            functions.push(Deployed {
                id: id.to_owned(),
                folder: String::new(),
                binary: String::new(),
            });
        } else if let Some(function) = functions.last_mut() {
            if let Some(folder) = words.strip_prefix("CodeUri: functions/") {
                folder.clone_into(&mut function.folder);
            } else if let Some((_, binary)) = words.split_once("Binary: ") {
                binary.trim_end_matches(" }").clone_into(&mut function.binary);
            }
        }
    }
    functions
}

fn compare(crates: &Crates, deployed: &[Deployed]) -> Vec<String> {
    let mut findings = Vec::new();
    for (folder, names) in crates {
        if *names != [folder.clone(), folder.clone()] {
            findings.push(format!(
                "functions/{folder}: crate and binary are {names:?}, not {folder}"
            ));
        }
    }
    let mut seen = BTreeSet::new();
    for function in deployed {
        if function.id != format!("{}Function", pascal(&function.folder))
            || function.binary != function.folder
        {
            findings.push(format!("template.yaml: {function:?} has more than one name"));
        }
        seen.insert(&function.folder);
    }
    let missing = crates.keys().filter(|folder| !seen.contains(folder));
    findings.extend(missing.map(|folder| format!("template.yaml: functions/{folder} is not deployed")));
    let strange = seen.iter().filter(|folder| !crates.contains_key(**folder));
    findings.extend(strange.map(|folder| format!("template.yaml: functions/{folder} is not there")));
    findings
}

fn pascal(kebab: &str) -> String {
    let mut name = String::new();
    for word in kebab.split('-') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "\
Resources:
  SendMailFunction:
    Type: AWS::Serverless::Function
    Metadata:
      BuildProperties: { Binary: send-mail }
    Properties:
      CodeUri: functions/send-mail
  Table:
    Type: AWS::DynamoDB::Table
";

    fn check(crates: &[(&str, [&str; 2])], template: &str) -> Vec<String> {
        let crates = crates
            .iter()
            .map(|(folder, names)| ((*folder).to_owned(), names.map(str::to_owned).to_vec()));
        compare(&crates.collect(), &deployed(template))
    }

    #[test]
    fn one_name_everywhere_is_in_order() {
        assert_eq!(
            check(&[("send-mail", ["send-mail"; 2])], TEMPLATE),
            [] as [&str; 0]
        );
    }

    #[test]
    fn every_other_name_is_found() {
        let other_binary = check(&[("send-mail", ["send-mail", "mailer"])], TEMPLATE);
        assert_eq!(other_binary.len(), 1, "{other_binary:?}");
        let other_id = check(
            &[("send-mail", ["send-mail"; 2])],
            &TEMPLATE.replace("SendMail", "Mail"),
        );
        assert_eq!(other_id.len(), 1, "{other_id:?}");
        let not_deployed = check(
            &[("send-mail", ["send-mail"; 2]), ("read-mail", ["read-mail"; 2])],
            TEMPLATE,
        );
        assert_eq!(
            not_deployed,
            ["template.yaml: functions/read-mail is not deployed"]
        );
        assert_eq!(
            check(&[], TEMPLATE),
            ["template.yaml: functions/send-mail is not there"]
        );
    }
}
