//! `cargo xtask deploy-local`: the bundle on a local AWS, for a person to play with.
//!
//! Knows what such a person wants to see. Must not know how it is made: that is the crate `local-aws`.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args;
use local_aws::{LocalAws, Options};

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many mailboxes the simulated Outlook has.
    #[arg(long, default_value_t = 1)]
    mailboxes: usize,
    /// How many contacts each mailbox has.
    #[arg(long, default_value_t = 1000)]
    contacts: usize,
    /// Build the functions as for AWS: smaller, faster, and minutes slower to build.
    #[arg(long)]
    release: bool,
    /// Let the functions do what their roles forbid.
    #[arg(long)]
    no_auth: bool,
    /// A parameter of the template, as Name=value; may be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as Name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mailboxes = ["--mailboxes".to_owned(), arguments.mailboxes.to_string()];
    let contacts = ["--contacts".to_owned(), arguments.contacts.to_string()];
    let mut stack = LocalAws::start(&Options {
        auth: !arguments.no_auth,
        release: arguments.release,
        parameters: arguments.parameters.iter().cloned().collect(),
        simulator: [&["--admin".to_owned()][..], &mailboxes, &contacts].concat(),
        credentials: None,
    })?;
    show(&stack).context("can't write to standard output")?;
    Err(stack.watch())
}

fn show(stack: &LocalAws) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "\nGraph simulator  {}",
        stack.graph["url"].as_str().unwrap_or_default()
    )?;
    writeln!(
        out,
        "  tenant         {}",
        stack.graph["tenant"].as_str().unwrap_or_default()
    )?;
    for user in stack.graph["users"].as_array().into_iter().flatten().take(5) {
        writeln!(out, "  mailbox        {}", user.as_str().unwrap_or_default())?;
    }
    writeln!(out, "contacts-api     {}", stack.url("ContactsApiUrl")?)?;
    writeln!(out, "notifications    {}", stack.url("ReceiveNotificationsUrl")?)?;
    writeln!(out, "logs             {}", stack.logs.display())?;
    let signed = "curl --aws-sigv4 aws:amz:us-east-1:lambda --user test:test";
    writeln!(
        out,
        "\nA call of the API: {signed} {}v1/mailboxes",
        stack.url("ContactsApiUrl")?
    )?;
    writeln!(out, "\nThe stack's outputs:")?;
    for (name, value) in &stack.outputs {
        writeln!(out, "  {name:<31} {value}")?;
    }
    writeln!(out, "\nFor AWS clients:")?;
    for (name, value) in stack.environment() {
        writeln!(out, "  export {name}={value}")?;
    }
    Ok(writeln!(out, "\nCtrl-C stops everything.")?)
}
