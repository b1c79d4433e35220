//! Which events a replay shows.

use std::str::FromStr;

use super::row::Topic;

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// What tells the story: see [`super::Screen`].
    Story,
    /// Everything.
    All,
    /// These topics.
    Topics(Vec<Topic>),
}

/// Not a filter.
#[derive(Debug, thiserror::Error)]
#[error("{word:?} is nothing to filter by; known are all, story, {}", Topic::names())]
pub struct FilterError {
    word: String,
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        match text {
            "all" => return Ok(Self::All),
            "story" => return Ok(Self::Story),
            _ => {}
        }
        let topic = |word: &str| {
            Topic::ALL
                .into_iter()
                .find(|topic| topic.name() == word)
                .ok_or_else(|| FilterError { word: word.to_owned() })
        };
        text.split(',').map(|word| topic(word.trim())).collect::<Result<_, _>>().map(Self::Topics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_words_with_commas() {
        assert_eq!("all".parse::<Filter>().unwrap(), Filter::All);
        assert_eq!("exec, http".parse::<Filter>().unwrap(), Filter::Topics(vec![Topic::Exec, Topic::Http]));
        let error = "exec,htpp".parse::<Filter>().unwrap_err();
        insta::assert_snapshot!(
            error,
            @r#""htpp" is nothing to filter by; known are all, story, session, fork, exec, exit, open, read, conn, tls, http, blind, lost, gate, alert"#
        );
    }
}
