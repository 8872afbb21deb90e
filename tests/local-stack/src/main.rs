//! `cargo xtask demo`: the whole bundle at work in one process, in real time, until Ctrl-C.
//!
//! Knows the command line. What is shown, and in which order, is `demo`'s.

mod demo;

use std::process::ExitCode;

use clap::Parser;

use demo::{End, Scene};

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(demo::run(Scene::parse())).await {
        Ok(End::Equal) => ExitCode::SUCCESS,
        Ok(End::Different | End::Unfinished) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
