//! Random commands get the replies that redis-server gives, from values in DRAM and on the SSD alike.
//!
//! `THERMOCLINE_SEED` and `THERMOCLINE_COMMANDS` choose another stream or a longer one, and `THERMOCLINE_GROUP` one that is
//! mostly of one kind of commands, such as `hyperloglog`; a difference prints them all.

use std::env;

use thermocline_tests::Product;
use thermocline_tests::compat::generator::Family;
use thermocline_tests::compat::runner;

/// How many commands a run compares unless it is told otherwise.
const DEFAULT_COMMANDS: u64 = 40_000;

fn setting(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, not a number")))
}

fn check(default_seed: u64) {
    let seed = setting("THERMOCLINE_SEED").unwrap_or(default_seed);
    let commands = setting("THERMOCLINE_COMMANDS").unwrap_or(DEFAULT_COMMANDS);
    let group = env::var("THERMOCLINE_GROUP").ok().filter(|name| !name.is_empty());
    let focus = group.map(|name| Family::named(&name));
    match runner::run(seed, commands, focus) {
        Ok(summary) => {
            eprintln!("seed {seed}: {summary:?}");
            // A stream of nothing but errors would agree with anything.
            assert!(summary.errors < summary.commands / 2, "{summary:?}");
            assert!(summary.demoted > 0 || Product::subject() == Product::Redis, "{summary:?}");
        }
        Err(differences) => {
            let report: Vec<String> = differences.iter().map(ToString::to_string).collect();
            panic!("{} differences\n\n{}", report.len(), report.join("\n"));
        }
    }
}

#[test]
fn random_commands_get_the_same_replies_as_from_redis() {
    check(1);
}

#[test]
fn random_commands_of_another_seed_do_too() {
    check(2);
}
