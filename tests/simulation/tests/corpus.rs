//! Seeds that once failed, and some that nobody has tried.

use simulation::{Cuts, simulate};

const CORPUS: &str = include_str!("../corpus.txt");
