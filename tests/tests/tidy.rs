//! The rules of the house that a machine can check: read CONTRIBUTING for the reasons.

use std::fs;
use std::path::{Path, PathBuf};

/// Unsafe code lives here and nowhere else.
const FILES_WITH_UNSAFE: &[&str] = &[
    "engine/src/device/buffer.rs",
    "engine/src/device/uring.rs",
    "engine/src/prefetch.rs",
    "server/src/main.rs",
    "server/src/net/buffer_ring.rs",
    "server/src/net/eventfd.rs",
    "server/src/net/ring.rs",
    "server/src/process.rs",
    "server/src/scripting/lua/fiber.rs",
    "server/src/scripting/lua/native.rs",
    "server/src/scripting/lua/stack.rs",
    "server/src/scripting/lua/state.rs",
];

/// A file that is longer does more than one thing.
const MAX_LINES: usize = 700;

/// Names that say nothing of what is inside.
const MEANINGLESS_NAMES: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

/// What may not stay in the code. In two parts, so that this file does not break the rule.
const UNFINISHED: [&str; 5] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("d", "bg!("),
    concat!("#[ig", "nore"),
    concat!("FIX", "ME"),
];

/// Which of our packages a package may depend on, and which foreign ones it may not.
const DEPENDENCIES: [(&str, &[&str], &[&str]); 5] = [
    ("server/protocol", &[], &["tokio", "tokio-uring", "io-uring"]),
    ("engine", &[], &["tokio", "tokio-uring", "bytes"]),
    ("server", &["thermocline-engine", "thermocline-protocol"], &[]),
    ("tiering-bench", &["thermocline-engine", "thermocline-protocol"], &[]),
    ("tests", &["thermocline-engine", "thermocline-protocol", "thermocline-server"], &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every file of the project whose name ends in `extension`, by its path from the root, with its text.
fn files(extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root(), extension, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no {extension} files in {}", root().display());
    found
}

fn collect(directory: &Path, extension: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            let is_source = !name.starts_with('.')
                && !["target", "corpus", "artifacts", "node_modules"].contains(&name.as_str());
            if is_source {
                collect(&path, extension, found);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let relative = path.strip_prefix(root()).expect("under the root").to_string_lossy().into_owned();
            found.push((relative, text));
        }
    }
}

/// Fails with all offenders at once.
fn assert_none(rule: &str, offenders: Vec<String>) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let offenders =
        files("rs").into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path);
    assert_none("a file opens with //!", offenders.collect());
}

#[test]
fn no_file_does_everything() {
    let is_long = |text: &str| text.lines().count() > MAX_LINES;
    let offenders = files("rs")
        .into_iter()
        .filter(|(_, text)| is_long(text))
        .map(|(path, text)| format!("{path}: {} lines", text.lines().count()));
    assert_none("a file has at most 700 lines", offenders.collect());
}

#[test]
fn every_file_has_a_name_that_says_something() {
    let is_meaningless = |path: &str| {
        Path::new(path)
            .iter()
            .any(|part| MEANINGLESS_NAMES.contains(&part.to_string_lossy().trim_end_matches(".rs")))
    };
    let offenders = files("rs").into_iter().map(|(path, _)| path).filter(|path| is_meaningless(path));
    assert_none("no file or folder is called utils, helpers, common or misc", offenders.collect());
}

#[test]
fn nothing_is_left_unfinished() {
    let mut offenders = Vec::new();
    for (path, text) in files("rs") {
        for (number, line) in text.lines().enumerate() {
            if UNFINISHED.iter().any(|mark| line.contains(mark)) {
                offenders.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none("no marks of unfinished work, no ignored tests", offenders);
}

/// Whether a file has unsafe blocks, functions or implementations, or switches the lint off.
fn has_unsafe(text: &str) -> bool {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//")).any(|line| {
        let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code"];
        words.iter().any(|word| line.contains(word)) && !line.contains('"')
    })
}

#[test]
fn unsafe_code_is_confined_to_the_listed_files() {
    let offenders = files("rs")
        .into_iter()
        .filter(|(path, text)| has_unsafe(text) && !FILES_WITH_UNSAFE.contains(&path.as_str()))
        .map(|(path, _)| path);
    assert_none("unsafe code is in the listed files only", offenders.collect());
}

#[test]
fn every_listed_file_still_has_unsafe_code_and_says_why() {
    for listed in FILES_WITH_UNSAFE {
        let text =
            fs::read_to_string(root().join(listed)).unwrap_or_else(|error| panic!("{listed}: {error}"));
        assert!(has_unsafe(&text), "{listed} needs no place in the list any more");
        assert!(text.contains("SAFETY:"), "{listed} does not prove its unsafe code safe");
    }
}

/// The names in a manifest's `[dependencies]` table.
fn dependencies(package: &str) -> Vec<String> {
    let path = root().join(package).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut in_table = false;
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            in_table = table == "dependencies]";
            if let Some(name) = table.strip_prefix("dependencies.") {
                names.push(name.trim_end_matches(']').to_owned());
            }
        } else if in_table && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() {
                names.push(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn dependencies_point_one_way() {
    for (package, ours, refused) in DEPENDENCIES {
        for dependency in dependencies(package) {
            let is_ours = dependency.starts_with("thermocline");
            assert!(
                !is_ours || ours.contains(&dependency.as_str()),
                "{package} may not depend on {dependency}"
            );
            assert!(!refused.contains(&dependency.as_str()), "{package} may not depend on {dependency}");
        }
    }
}

#[test]
fn the_engine_knows_no_protocol_and_no_runtime() {
    let words = ["thermocline_protocol", "thermocline_server", "tokio::", "TcpStream", "TcpListener"];
    let mut offenders = Vec::new();
    for (path, text) in files("rs").into_iter().filter(|(path, _)| path.starts_with("engine/src")) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().starts_with("//")) {
            if words.iter().any(|word| line.contains(word)) {
                offenders.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none("the engine knows no RESP, no socket, no runtime", offenders);
}

#[test]
fn the_protocol_does_no_io() {
    let words = ["std::net", "std::fs", "std::time", "std::thread"];
    let offenders = files("rs")
        .into_iter()
        .filter(|(path, text)| {
            path.starts_with("server/protocol/src") && words.iter().any(|word| text.contains(word))
        })
        .map(|(path, _)| path);
    assert_none("the protocol is a pure function of bytes", offenders.collect());
}

#[test]
fn every_package_inherits_the_lints() {
    for (package, _, _) in DEPENDENCIES {
        let text = fs::read_to_string(root().join(package).join("Cargo.toml")).expect("a manifest");
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{package} does not inherit the workspace's lints"
        );
    }
}

#[test]
fn shell_scripts_stop_at_the_first_error() {
    let offenders =
        files("sh").into_iter().filter(|(_, text)| !text.contains("set -euo pipefail")).map(|(path, _)| path);
    assert_none("a script says set -euo pipefail", offenders.collect());
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut offenders = Vec::new();
    for (path, text) in files("md") {
        let directory = root().join(&path);
        let directory = directory.parent().expect("a file is in a directory");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()) {
            let is_local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
            if is_local && !directory.join(target).exists() {
                offenders.push(format!("{path}: {target}"));
            }
        }
    }
    assert_none("a relative link in a document names a file", offenders);
}
