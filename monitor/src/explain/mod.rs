//! A finding and its causes, for people.
