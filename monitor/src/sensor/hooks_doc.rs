//! docs/hooks.md, written from the attach table and held against it.

use std::fmt::Write as _;
use std::path::Path;

use super::hooks::{Attach, Family, HOOKS, Hook, place};

/// The command that writes the page anew.
const BLESS: &str = "HOLDFIRE_BLESS=1 cargo test --package monitor --lib hooks_doc";

#[test]
fn the_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hooks.md");
    let page = page();
    #[expect(clippy::disallowed_methods, reason = "whoever runs this test says whether to rewrite the page")]
    let bless = std::env::var_os("HOLDFIRE_BLESS").is_some_and(|value| value == "1");
    if bless {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == page,
        "docs/hooks.md does not say what the attach table says; rewrite it with\n{BLESS}"
    );
}

fn page() -> String {
    let mut page = format!(
        "# Every hook in the kernel\n\n\
         Written from the attach table, `monitor/src/sensor/hooks.rs`, which the loader and `holdfire doctor` read too. \
         A test compares this page with the table; after a change of the table rewrite it with\n\n\
         ```\n{BLESS}\n```\n\n\
         The {count} hooks stand in the order of attachment. A required one that does not load keeps holdfire from \
         starting. *Since* is the first kernel that has the hook; holdfire as a whole asks for 5.10 with BTF.\n",
        count = HOOKS.len(),
    );
    for (family, title, about) in FAMILIES {
        write!(page, "\n## {title}\n\n{about}\n\n").unwrap();
        page += "| program | attached to | needed | since | in its place | lost without it |\n";
        page += "|---|---|---|---|---|---|\n";
        HOOKS.iter().filter(|hook| hook.family == family).for_each(|hook| page += &row(hook));
    }
    page += "\n## Prototypes relied on\n\n| program | prototype |\n|---|---|\n";
    for Hook { program, prototype, .. } in HOOKS {
        writeln!(page, "| `{program}` | `{prototype}` |").unwrap();
    }
    page
}

fn row(hook: &Hook) -> String {
    let Hook { program, attach, family, required, since, fallback, without, .. } = hook;
    let needed = match (required, family) {
        (true, _) => "required",
        (false, Family::File) => "one of these",
        (false, _) => "optional",
    };
    let fallback = if *fallback == "none" { "–".to_owned() } else { format!("`{fallback}`") };
    format!("| `{program}` | {} | {needed} | {since} | {fallback} | {without} |\n", attached(*attach))
}

/// The attach point with what kind of thing it is.
fn attached(attach: Attach) -> String {
    let where_to = match attach {
        Attach::Cgroup(_) => " of the cgroup v2 root",
        Attach::Uprobe(_) => " in every libssl found",
        _ => "",
    };
    format!("`{}`{where_to}", place(attach))
}

/// The families in the order of the table, and what their hooks are for.
const FAMILIES: [(Family, &str, &str); 5] = [
    (
        Family::Process,
        "Processes",
        "Who belongs to a session: membership passes on at fork, before the child has run, and ends with the last thread.",
    ),
    (
        Family::File,
        "Files",
        "Which files a member opens, by what was opened and not by what was asked for. These replace one another: the \
         first that loads is used, the others are not tried.",
    ),
    (Family::Socket, "Sockets", "Whose a socket is, and where it goes."),
    (
        Family::Gate,
        "The gate",
        "Drops every packet with a payload that must not leave, and reads the server name of a connection's first one.",
    ),
    (
        Family::Tls,
        "TLS",
        "What a member is about to encrypt. A write of an armed session stops here until it is judged.",
    ),
];

#[test]
fn every_hook_is_on_the_page_once() {
    let page = page();
    for hook in HOOKS {
        assert!(FAMILIES.iter().any(|(family, ..)| *family == hook.family), "{}", hook.program);
        assert_eq!(page.matches(&format!("| `{}` | `", hook.program)).count(), 2, "{}", hook.program);
    }
}
