//! One GraphQL document into its operations: aliases undone, fragments resolved, variables filled in.
//!
//! apollo-parser reads on after an error, which serves documents that are cut off or for a newer grammar. Its string
//! values are unescaped here, because its own conversion relies on the literal being whole.

use std::collections::{HashMap, HashSet};

use apollo_parser::cst::{self, CstNode};
use apollo_parser::{Parser, SyntaxTree};

use super::{Found, short};
use crate::credential::Redactor;
use crate::event::{Field, GraphqlField, GraphqlOperation, OperationType};
use crate::protocol::json::{Json, unescape};
use crate::protocol::show;

/// Tokens of all documents of a request. The introspection query, the longest that is common, has 600.
const MAX_TOKENS: usize = 20_000;
/// Nesting of a document. Servers refuse far less; the parser recurses.
const MAX_NESTING: usize = 128;
/// Root fields of all operations of a request, repetitions not counted.
const MAX_FIELDS: usize = 512;
/// Operations of a request.
const MAX_OPERATIONS: usize = 256;
/// Scalar arguments of one field.
const MAX_ARGUMENTS: usize = 64;
/// Scalar arguments of all fields of a request: one variable may be used by every field.
const MAX_ALL_ARGUMENTS: usize = 2_048;
/// Nesting of arguments that is followed.
const MAX_DEPTH: usize = 6;
/// Literals that are handed on as possible credentials.
const MAX_LITERALS: usize = 256;

/// The values given for each variable.
pub(super) type Variables<'a> = HashMap<&'a str, Vec<&'a Json>>;

/// What may still be read of a request.
pub(super) struct Budget {
    tokens: usize,
    fields: usize,
    arguments: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { tokens: MAX_TOKENS, fields: MAX_FIELDS, arguments: MAX_ALL_ARGUMENTS }
    }
}

/// Adds the operations of `text` to `found`.
pub(super) fn operations(
    text: &str,
    variables: &Variables<'_>,
    redactor: &Redactor,
    budget: &mut Budget,
    found: &mut Found,
) {
    let tree = Parser::new(text).token_limit(budget.tokens).recursion_limit(MAX_NESTING).parse();
    if over_limit(&tree) {
        found.note("a GraphQL document too large to be read");
    }
    budget.tokens = budget.tokens.saturating_sub(tree.token_limit().high);
    let definitions: Vec<_> = tree.document().definitions().collect();
    let fragments = definitions
        .iter()
        .filter_map(|definition| match definition {
            cst::Definition::FragmentDefinition(one) => {
                Some((text_of(one.fragment_name()?.name())?, one.selection_set()?))
            }
            _ => None,
        })
        .collect();
    for definition in definitions {
        let cst::Definition::OperationDefinition(operation) = definition else { continue };
        if found.operations.len() >= MAX_OPERATIONS {
            found.note("more than 256 GraphQL operations");
            return;
        }
        let values = Values { variables, defaults: defaults(&operation), redactor };
        let mut reader = Reader {
            fragments: &fragments,
            spread: HashSet::new(),
            values,
            budget,
            found,
            fields: Vec::new(),
        };
        if let Some(set) = operation.selection_set() {
            reader.select(&set, 0);
        }
        let fields = reader.fields;
        // Any text that begins with a brace would be a query without fields.
        if operation.operation_type().is_none() && fields.is_empty() {
            continue;
        }
        let name = text_of(operation.name()).map(|name| short(&name));
        found.operations.push(GraphqlOperation { kind: kind(&operation), name, fields });
    }
}

fn over_limit(tree: &SyntaxTree) -> bool {
    let (tokens, nesting) = (tree.token_limit(), tree.recursion_limit());
    tokens.high > tokens.limit
        || nesting.high > nesting.limit
        || tree.errors().any(apollo_parser::Error::is_limit)
}

fn kind(operation: &cst::OperationDefinition) -> OperationType {
    match operation.operation_type() {
        Some(kind) if kind.mutation_token().is_some() => OperationType::Mutation,
        Some(kind) if kind.subscription_token().is_some() => OperationType::Subscription,
        _ => OperationType::Query,
    }
}

fn defaults(operation: &cst::OperationDefinition) -> HashMap<String, cst::Value> {
    let definitions = operation.variable_definitions().into_iter().flat_map(|all| all.variable_definitions());
    definitions
        .filter_map(|one| Some((text_of(one.variable()?.name())?, one.default_value()?.value()?)))
        .collect()
}

fn text_of(name: Option<cst::Name>) -> Option<String> {
    Some(name?.ident_token()?.text().to_owned())
}

/// Reads the root of one operation.
struct Reader<'a> {
    fragments: &'a HashMap<String, cst::SelectionSet>,
    /// Fragments already resolved: each adds its fields once, so cycles end.
    spread: HashSet<String>,
    values: Values<'a>,
    budget: &'a mut Budget,
    found: &'a mut Found,
    fields: Vec<GraphqlField>,
}

impl Reader<'_> {
    fn select(&mut self, set: &cst::SelectionSet, depth: usize) {
        if depth > MAX_NESTING {
            self.found.note("GraphQL fragments nested too deeply");
            return;
        }
        for selection in set.selections() {
            match selection {
                cst::Selection::Field(field) => self.field(&field),
                cst::Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name().and_then(|name| text_of(name.name()));
                    let fresh = name.filter(|name| self.spread.insert(name.clone()));
                    if let Some(set) = fresh.and_then(|name| self.fragments.get(&name)) {
                        self.select(set, depth + 1);
                    }
                }
                cst::Selection::InlineFragment(fragment) => {
                    if let Some(set) = fragment.selection_set() {
                        self.select(&set, depth + 1);
                    }
                }
            }
        }
    }

    fn field(&mut self, field: &cst::Field) {
        let Some(name) = text_of(field.name()) else { return };
        let mut arguments = Arguments {
            shown: Vec::new(),
            literals: Vec::new(),
            over: false,
            most: MAX_ARGUMENTS.min(self.budget.arguments),
        };
        for argument in field.arguments().into_iter().flat_map(|all| all.arguments()) {
            if let (Some(path), Some(value)) = (text_of(argument.name()), argument.value()) {
                self.values.show(&path, &value, 0, &mut arguments);
            }
        }
        self.budget.arguments = self.budget.arguments.saturating_sub(arguments.shown.len());
        if arguments.over {
            self.found.note("GraphQL arguments too many or too deep to be read");
        }
        for (path, value) in arguments.literals {
            if self.found.literals.len() < MAX_LITERALS {
                let path = std::iter::once(name.as_str()).chain(path.split('.')).map(short).collect();
                self.found.literals.push((path, value));
            }
        }
        let field = GraphqlField { name: short(&name), arguments: arguments.shown };
        if self.fields.contains(&field) {
            return;
        }
        match self.budget.fields.checked_sub(1) {
            Some(left) => {
                self.budget.fields = left;
                self.fields.push(field);
            }
            None => self.found.note("more than 512 GraphQL fields"),
        }
    }
}

/// Turns arguments into text.
struct Values<'a> {
    variables: &'a Variables<'a>,
    defaults: HashMap<String, cst::Value>,
    redactor: &'a Redactor,
}

struct Arguments {
    shown: Vec<Field>,
    literals: Vec<(String, String)>,
    /// Some were left out.
    over: bool,
    most: usize,
}

impl Arguments {
    /// Whether one more at this depth is read.
    fn room(&mut self, depth: usize) -> bool {
        let room = depth <= MAX_DEPTH && self.shown.len() < self.most;
        self.over |= !room;
        room
    }
}

impl Values<'_> {
    fn show(&self, path: &str, value: &cst::Value, depth: usize, into: &mut Arguments) {
        if !into.room(depth) {
            return;
        }
        match value {
            cst::Value::Variable(variable) => {
                let Some(name) = text_of(variable.name()) else { return };
                let before = into.shown.len();
                for value in self.variables.get(name.as_str()).into_iter().flatten() {
                    self.show_json(path, value, depth, into);
                }
                if into.shown.len() > before {
                    return;
                }
                match self.defaults.get(&name) {
                    // A default is a constant; one that names a variable is not followed.
                    Some(default) if !matches!(default, cst::Value::Variable(_)) => {
                        self.show(path, default, depth + 1, into)
                    }
                    _ => self.push(path, &format!("${}", short(&name)), into),
                }
            }
            cst::Value::StringValue(string) => {
                let text = string_text(string);
                self.push(path, &text, into);
                into.literals.push((path.to_owned(), text));
            }
            cst::Value::ListValue(list) => {
                for (at, item) in list.values().enumerate().take(MAX_ARGUMENTS + 1) {
                    self.show(&format!("{path}.{at}"), &item, depth + 1, into);
                }
            }
            cst::Value::ObjectValue(object) => {
                for field in object.object_fields() {
                    if let (Some(name), Some(value)) = (text_of(field.name()), field.value()) {
                        self.show(&format!("{path}.{}", short(&name)), &value, depth + 1, into);
                    }
                }
            }
            scalar => self.push(path, scalar.syntax().text().to_string().trim(), into),
        }
    }

    fn show_json(&self, path: &str, value: &Json, depth: usize, into: &mut Arguments) {
        if !into.room(depth) {
            return;
        }
        match value {
            Json::Plain(text) | Json::Text(text) => self.push(path, text, into),
            Json::List(items) => {
                for (at, item) in items.iter().enumerate().take(MAX_ARGUMENTS + 1) {
                    self.show_json(&format!("{path}.{at}"), item, depth + 1, into);
                }
            }
            Json::Object(members) => {
                for (name, member) in members {
                    let name = show::name(self.redactor, name);
                    self.show_json(&format!("{path}.{name}"), member, depth + 1, into);
                }
            }
        }
    }

    fn push(&self, path: &str, text: &str, into: &mut Arguments) {
        let value = show::value(self.redactor, path, text);
        into.shown.push(Field { name: path.to_owned(), value });
    }
}

/// The text of a string or block string.
fn string_text(string: &cst::StringValue) -> String {
    let literal = string.syntax().text().to_string();
    let literal = literal.trim();
    match literal.strip_prefix("\"\"\"") {
        Some(block) => block.strip_suffix("\"\"\"").unwrap_or(block).replace("\\\"\"\"", "\"\"\""),
        None => unescape(literal.strip_prefix('"').unwrap_or(literal)),
    }
}
