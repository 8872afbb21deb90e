//! The judge finds what there is to find, and nothing else; the scripts can be read.

mod judging;
mod scripts;
