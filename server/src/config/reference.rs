//! The reference page `docs/reference/configuration.md`, generated from the table and compared with the file.

use super::option::{Change, Effect, Kind, OptionRow};
use super::table::GROUPS;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/configuration.md");

const INTRODUCTION: &str = "\
# Configuration

Options are those of `redis.conf` where they mean the same, and a few of our own. They are given on the command line
(`thermocline [file] --port 7000 --maxmemory 1gb`, or `--port=7000`), in a configuration file (one option a line; `#`
begins a comment, quotes keep blanks, `include` reads another file), or while the server runs with `CONFIG SET`. The
command line comes after the file. `CONFIG REWRITE` writes the values in force into the file.

Sizes take units: `1k` is 1000 bytes, `1kb` is 1024; likewise `m`, `mb`, `g`, `gb`, `t`, `tb`.

**Memory and the tier.** Without `tier-capacity` the server is a plain in-memory server, and `maxmemory` limits what it
holds, as in Redis; 0 is no limit. With `tier-capacity`, `maxmemory` is what the process takes at most, and the data may
be as large as both tiers together; here a limit is needed, so 0 means 75 % of the machine's memory, or of the control
group's limit where that is lower.

**What is accepted without effect.** Clients and tools set options of Redis that have no meaning here. Where that is
harmless they are accepted, kept and shown, and listed at the end. Where it would promise something that does not
happen, such as `appendonly yes`, the value is refused with an error that says so.

This page is generated from the server's table of options; a test compares them.
";

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for group in GROUPS {
        let rows: Vec<&OptionRow> = group.rows.iter().filter(|row| row.effect == Effect::Used).collect();
        if rows.is_empty() {
            continue;
        }
        page.push_str(&format!(
            "\n## {}\n\n| option | default | values | at runtime | |\n|---|---|---|---|---|\n",
            group.title
        ));
        for row in rows {
            page.push_str(&format!(
                "| `{}` | {} | {} | {} | {} |\n",
                row.name,
                code(&row.format_for_file(&row.default_value())),
                values(row),
                if row.change == Change::AtRuntime { "yes" } else { "" },
                row.documentation.replace('|', "\\|"),
            ));
        }
    }
    page.push_str("\n## Accepted without effect\n\n");
    page.push_str(&listing(|row| row.effect == Effect::Kept && row.only_default.is_none()));
    page.push_str("\n## Only the default is accepted\n\n| option | default | why |\n|---|---|---|\n");
    for row in GROUPS.iter().flat_map(|group| group.rows) {
        if let Some(why) = row.only_default {
            let default = code(&row.format_for_file(&row.default_value()));
            page.push_str(&format!("| `{}` | {default} | {why} |\n", row.name));
        }
    }
    page
}

fn listing(belongs: impl Fn(&OptionRow) -> bool) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for row in GROUPS.iter().flat_map(|group| group.rows).filter(|row| belongs(row)) {
        let name = format!("`{}`, ", row.name);
        if line.len() + name.len() > 118 {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line.clear();
        }
        line.push_str(&name);
    }
    lines.push_str(line.trim_end().trim_end_matches(','));
    lines.push_str(".\n");
    lines
}

fn code(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { format!("`{text}`") }
}

fn values(row: &OptionRow) -> String {
    match row.kind {
        Kind::Bool => "`yes`, `no`".to_owned(),
        Kind::Integer { min, max } if max >= i64::from(i32::MAX) => format!("integer from {min}"),
        Kind::Integer { min, max } => format!("{min} to {max}"),
        Kind::Octal { .. } => "octal".to_owned(),
        Kind::Size { .. } => "size".to_owned(),
        Kind::SizeOrPercent => "size or percentage".to_owned(),
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Text => "text".to_owned(),
        Kind::Words(_) => "words".to_owned(),
    }
}

#[test]
fn the_reference_page_says_what_the_table_says() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, page()).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        written == page(),
        "run this test with UPDATE_DOCS=1 to write docs/reference/configuration.md anew"
    );
}
