//! The words of a text that may be a secret, from large to small.

use std::ops::Range;

use crate::credential::judge::VALUE_MAX;

/// Shorter words are no secrets, and are most of a text.
const WORD_MIN: usize = 6;

/// What separates words, coarse to fine. A secret may contain what separates at a finer level, so each is looked at.
const LEVELS: [&str; 3] = ["\"'`\\", ",;&?=()[]{}<>|«»‹›“”#!*$", ":/@."];

/// Hands each word to `is_secret`, whole before its parts; the parts of a secret are not looked at.
pub(super) fn each(text: &str, is_secret: &mut dyn FnMut(Range<usize>) -> bool) {
    split(text, 0..text.len(), 0, is_secret);
}

fn split(text: &str, range: Range<usize>, level: usize, is_secret: &mut dyn FnMut(Range<usize>) -> bool) {
    let Some(delimiters) = LEVELS.get(level) else { return };
    let separates = |c: char| delimiters.contains(c) || (level == 0 && (c.is_whitespace() || c.is_control()));
    let whole = &text[range.clone()];
    for word in whole.split(separates) {
        let start = range.start + (word.as_ptr().addr() - whole.as_ptr().addr());
        if word.len() < WORD_MIN {
            continue;
        }
        // An undivided word was looked at one level up.
        let known = (level == 0 || word.len() < whole.len()) && secret_at(word, start, is_secret);
        if !known {
            split(text, start..start + word.len(), level + 1, is_secret);
        }
    }
}

/// The word as it stands, and without the punctuation of a sentence around it.
fn secret_at(word: &str, start: usize, is_secret: &mut dyn FnMut(Range<usize>) -> bool) -> bool {
    if word.len() > VALUE_MAX {
        return false;
    }
    if is_secret(start..start + word.len()) {
        return true;
    }
    let trimmed = word.trim_matches([',', '.', ';', ':', '!', '?', '(', ')']);
    let at = start + (trimmed.as_ptr().addr() - word.as_ptr().addr());
    (WORD_MIN..word.len()).contains(&trimmed.len()) && is_secret(at..at + trimmed.len())
}
