//! What a session's mode makes of what the policy asks.

use crate::event::{Action, Mode};

/// What is done when a policy asks for `asked`: `observe` never stops anything; `enforce` has nobody to wait for.
pub(super) fn under(mode: Mode, asked: Action) -> Action {
    match (mode, asked) {
        (Mode::Observe, _) => asked.min(Action::Alert),
        (Mode::Enforce, Action::Hold) => Action::Deny,
        (Mode::Hold | Mode::Enforce, _) => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_map_actions() {
        use Action::{Alert, Allow, Deny, Hold, Kill};
        for (mode, expect) in [
            (Mode::Observe, [Allow, Alert, Alert, Alert, Alert]),
            (Mode::Hold, [Allow, Alert, Hold, Deny, Kill]),
            (Mode::Enforce, [Allow, Alert, Deny, Deny, Kill]),
        ] {
            assert_eq!([Allow, Alert, Hold, Deny, Kill].map(|asked| under(mode, asked)), expect, "{mode}");
        }
    }
}
